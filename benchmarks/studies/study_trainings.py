"""Run a study's trainings and tests of recognizers in worker processes, and read their results."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from eval.metrics.recognition import read_class_predictions
from gymqa.cli.studies.inputs import frames_step
from gymqa.finegym.splits import read_splits
from gymqa.frames.modality import Modality
from gymqa.frames.source import FrameSource
from gymqa.frames.views import source_of
from gymqa.runtime.devices import choose_device
from gymqa.runtime.runs import Run, read_metrics
from recognizers.config import TrainConfig
from recognizers.factory import load_recognizer
from recognizers.predict import predict, save_predictions
from recognizers.training.checkpoint import trained_in_bf16
from recognizers.training.jobs import run_jobs
from recognizers.training.train import train


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes:
        name: of its folder and steps.
        config: its settings.
        splits: the step that made its clips, and their folder below `splits`; the model is tested on their val.
    """

    name: str
    config: TrainConfig
    splits: str

    @property
    def model(self) -> str:
        """The trained model's folder, below the run's."""
        return f"models/{self.name}"

    @property
    def predictions(self) -> str:
        """File of the predictions for the val clips, below the run's folder."""
        return f"predictions/{self.name}.jsonl"


def run_trainings(run: Run, trainings: Sequence[Training], workers: int) -> None:
    """Train and test all of them; finished ones are kept, interrupted ones are resumed.

    Args:
        run: a run whose frames and splits are there.
        trainings: in starting order.
        workers: as of `run_jobs`.
    """
    run_jobs({training.name: partial(_train_and_test, run, training) for training in trainings}, workers)


def _train_and_test(run: Run, training: Training) -> None:
    """Both steps of one training."""
    step = f"train-{training.name}"
    made_of = [frames_step(training.config.modality), training.splits]
    run.step(step, training.config.determines, [training.model], lambda: _train(run, training), made_of)
    run.step(f"test-{training.name}", {}, [training.predictions], lambda: _test(run, training), [step])


def _train(run: Run, training: Training) -> None:
    """Train; the checkpoints, which are larger than the model, are removed at the end."""
    splits = read_splits(run.folder / "splits" / training.splits, training.config.model.n_classes)
    out = train(training.config, _source(run, training.config.modality), splits, run.folder / training.model)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)


def _test(run: Run, training: Training) -> None:
    """Predict the val clips from one centre view."""
    device, source = choose_device(), _source(run, training.config.model.modality)
    val = read_splits(run.folder / "splits" / training.splits).val
    model, bf16 = (
        load_recognizer(run.folder / training.model).to(device),
        trained_in_bf16(run.folder / training.model, device),
    )
    save_predictions(run.folder / training.predictions, val, predict(model, source, val, bf16=bf16), source.failures)


def _source(run: Run, modality: Modality) -> FrameSource:
    """Frames of a modality: the training's, or its model's."""
    return source_of(modality, run.folder / frames_step(modality))


def right_clips(run: Run, training: Training) -> dict[str, float]:
    """1 or 0 for each val clip, by clip id; a clip that did not decode is wrong."""
    found = read_class_predictions(run.folder / training.predictions)
    return dict(zip(found.clip_ids, (found.predicted == found.labels).astype(float).tolist(), strict=True))


def late_loss(run: Run, training: Training) -> float:
    """The labelled clips' loss, averaged over the last fifth of the steps: whether they were enough."""
    lines = read_metrics(run.folder / training.model / "metrics.jsonl")
    late = [line["supervised"] for line in lines if "supervised" in line and line["step"] > 0.8 * training.config.steps]
    return float(np.mean(late))
