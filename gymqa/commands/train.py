"""`gymqa train`: a recognizer from few labelled clips."""

import os
from dataclasses import replace
from pathlib import Path

from gymqa.frames import FrameCache
from gymqa.splits import read_splits
from recognizers.algorithms import algorithm_named
from recognizers.backbones.registry import model_config
from recognizers.config import TrainConfig
from recognizers.train import train as train_recognizer


def train(
    splits: Path,
    frames: Path,
    out: Path = Path("runs/recognizer"),
    algorithm: str | None = None,
    recognizer: str | None = None,
    *,
    training: TrainConfig,
) -> None:
    """Train a recognizer on labelled and unlabelled clips.

    Stopped, the same command goes on from the last checkpoint. The run's folder gets the model, metrics.jsonl,
    speed.jsonl and checkpoints/. Several processes: accelerate launch scripts/train_recognizer.py with these options.

    Args:
        splits: folder of `gymqa split`.
        frames: folder of `gymqa cache`.
        out: folder of the model.
        algorithm: takes the place of training.algorithm with one of `gymqa list algorithms`, as in its paper.
        recognizer: takes the place of training.model with one of `gymqa list recognizers`.
        training: everything else.
    """
    if algorithm is not None:
        training = replace(training, algorithm=algorithm_named(algorithm))
    if recognizer is not None:
        training = replace(training, model=model_config(recognizer))
    clips, cache = read_splits(splits, training.model.n_classes), FrameCache(frames)
    train_recognizer(training, cache, clips, out)
    if int(os.environ.get("RANK", "0")) == 0:
        print(f"{out}: {training.algorithm.name}, {training.steps} steps")


COMMAND = train
