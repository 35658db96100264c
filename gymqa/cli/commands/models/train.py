"""`gymqa train`: train a recognizer on labelled and unlabelled clips."""

import os
from dataclasses import replace
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.splits import read_splits
from gymqa.video_datasets.imported import CLASSES
from recognizers.config import TrainConfig, train_for_epochs
from recognizers.factory import model_config
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.clips import training_source
from recognizers.training.train import train as train_recognizer


def train(
    splits: Path,
    frames: Path,
    out: Path = Path("runs/recognizer"),
    algorithm: str | None = None,
    recognizer: str | None = None,
    epochs: int = 0,
    warm_up_epochs: int = 0,
    count_classes: bool = False,
    *,
    training: TrainConfig,
) -> None:
    """Train a recognizer on labelled and unlabelled clips.

    An interrupted run resumes from its last checkpoint with the same command. The output folder holds the model,
    metrics.jsonl, speed.jsonl and checkpoints/. For several processes run accelerate launch
    scripts/train_recognizer.py with these options.

        gymqa train runs/splits runs/frames --algorithm fixmatch --training.steps 2000
        gymqa train --config recipes/sefar_b_gym99_5.yaml          a row of a paper's table, see gymqa recipes

    Args:
        splits: folder of `gymqa split`.
        frames: folder of `gymqa cache`; for a model of modality flow, and for mvpl, of `gymqa flow`.
        out: folder of the model.
        algorithm: takes the place of training.algorithm with one of `gymqa list algorithms`, as in its paper, or
            package.module:NAME of your own (docs/extending.md).
        recognizer: takes the place of training.model with one of `gymqa list recognizers`, or
            package.module:function of your own.
        epochs: passes over the labelled clips, instead of training.steps; 0 uses training.steps.
        warm_up_epochs: number of these epochs, from the start, that use labelled clips only, instead of
            training.warm_up_steps.
        count_classes: set training.model.n_classes from the splits' classes.txt.
        training: all other settings of the training.
    """
    if algorithm is not None:
        _require_untouched("algorithm", algorithm, training.algorithm == TrainConfig().algorithm)
        training = replace(training, algorithm=algorithm_named(algorithm))
    if recognizer is not None:
        _require_untouched("model", recognizer, training.model == TrainConfig().model)
        training = replace(training, model=model_config(recognizer))
    if count_classes:
        training = replace(training, model=replace(training.model, n_classes=_classes(splits)))
    clips = read_splits(splits, training.model.n_classes)
    if epochs or warm_up_epochs:
        training = train_for_epochs(training, epochs, warm_up_epochs, len(clips.labelled))
    train_recognizer(training, training_source(training, frames), clips, out)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{out}: {training.algorithm.name}, {training.steps} steps")


def _require_untouched(part: str, name: str, untouched: bool) -> None:
    """Refuse a name for a group of settings that are also given individually, and would be overridden."""
    if not untouched:
        raise GymQAError(f"{name} replaces all of training.{part}; leave out the one or the other")


def _classes(splits: Path) -> int:
    """Number of classes of the splits.

    Raises:
        GymQAError: classes.txt cannot be read.
    """
    try:
        names = (splits / CLASSES).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(
            f"{splits / CLASSES} cannot be read ({error}); split again, or set training.model.n_classes"
        ) from error
    return len(names)


COMMAND = train
