"""Trainings and tests of a study as resumable steps of its run folder."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from gymqa.cli.studies.frame_counts import model_with_n_frames, n_frames_of
from gymqa.cli.studies.inputs import frames_step, splits_folder, splits_step
from gymqa.cli.studies.settings import Level
from gymqa.finegym.splits import read_splits
from gymqa.frames.controls import NONE, ControlledFrames, ReshuffledFrames
from gymqa.frames.modality import Modality
from gymqa.frames.source import FrameSource
from gymqa.frames.views import source_of
from gymqa.runtime.devices import choose_device
from gymqa.runtime.runs import Run
from recognizers.config import TrainConfig
from recognizers.factory import load_recognizer
from recognizers.predict import opened_journal, predict, save_predictions
from recognizers.training.checkpoint import trained_in_bf16
from recognizers.training.jobs import run_jobs
from recognizers.training.train import train


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        name: name of its folder and steps.
        config: training settings.
        level: level of the classes.
        reshuffled: whether frames are shuffled anew each time a clip is sampled.
    """

    name: str
    config: TrainConfig
    level: Level = "element"
    reshuffled: bool = False

    @property
    def model(self) -> str:
        """Folder of the trained model, relative to the run folder."""
        return f"models/{self.name}"

    @property
    def step(self) -> str:
        """Name of the training step."""
        return f"train-{self.name}"


@dataclass(frozen=True)
class ModelTest:
    """A test of a trained model on the val clips.

    Attributes:
        training: the training of the model.
        frames: number of input frames; 0 is that of training.
        control: control applied to the frames, one of `gymqa.frames.controls.CONTROLS`.
    """

    training: Training
    frames: int = 0
    control: str = NONE

    @property
    def name(self) -> str:
        """Name of the step and file; 0 frames and the number of training have the same name."""
        frames = self.frames or n_frames_of(self.training.config.model)
        return f"{self.training.name}-at-{frames}-{self.control}"

    @property
    def predictions(self) -> str:
        """Path of the predictions, relative to the run folder."""
        return f"predictions/{self.name}.jsonl"


def train_and_test(run: Run, tests: Sequence[ModelTest], workers: int) -> None:
    """Run all tests and the trainings they need; finished steps are skipped, interrupted trainings resume.

    Args:
        run: a run folder with prepared data.
        tests: the tests.
        workers: number of parallel trainings, as in `run_jobs`.
    """
    by_training: dict[str, dict[str, ModelTest]] = {}
    for test in tests:
        by_training.setdefault(test.training.name, {})[test.name] = test
    jobs = {name: partial(_train_then_test, run, list(of_one.values())) for name, of_one in by_training.items()}
    run_jobs(jobs, workers)


def _train_then_test(run: Run, tests: Sequence[ModelTest]) -> None:
    """Run one training, then its tests."""
    training = tests[0].training
    settings = {**training.config.determines, "reshuffled": training.reshuffled}
    made_of = [frames_step(training.config.modality), splits_step(training.level)]
    run.step(training.step, settings, [training.model], partial(_train, run, training), made_of)
    for test in tests:
        run.step(f"test-{test.name}", {}, [test.predictions], partial(_test, run, test), [training.step])


def _train(run: Run, training: Training) -> None:
    """Train, then remove the checkpoints, which are larger than the model."""
    config, source = training.config, _source(run, training.config.modality)
    splits = read_splits(splits_folder(run, training.level), config.model.n_classes)
    seen = ReshuffledFrames(source, config.seed) if training.reshuffled else source
    out = train(config, seen, splits, run.folder / training.model)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def _test(run: Run, test: ModelTest) -> None:
    """Predict the val clips from a single centre view."""
    training, path = test.training, run.folder / test.predictions
    model = load_recognizer(run.folder / training.model)
    if test.frames:
        model = model_with_n_frames(model, test.frames)
    device = choose_device()
    model = model.to(device)
    source = ControlledFrames(_source(run, model.config.modality), test.control, training.config.seed)
    val = read_splits(splits_folder(run, training.level)).val
    bf16 = trained_in_bf16(run.folder / training.model, device)
    with opened_journal(path, {"trained": run.digest(training.step)}) as journal:
        found = predict(model, source, val, bf16=bf16, journal=journal)
        save_predictions(path, val, found, source.failures, test.control)


def _source(run: Run, modality: Modality) -> FrameSource:
    """FrameSource of a modality."""
    return source_of(modality, run.folder / frames_step(modality))
