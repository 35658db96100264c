"""Train in child processes that are killed again and again: `killing_trainer.py CACHE SPLITS OUT WHOLE`."""

import random
import sys
from dataclasses import replace
from pathlib import Path

from gymqa.finegym.splits import read_splits
from gymqa.frames.cache import FrameCache
from recognizers.ssl.algorithms import SEFAR
from recognizers.training.train import train
from tests.helpers.killing import Death, killed_and_whole
from tests.helpers.training_world import CONFIG

STEPS = 40
SETTINGS = replace(CONFIG, algorithm=SEFAR, steps=STEPS, checkpoint_every=1, workers=2)


def main(cache: Path, splits: Path, out: Path, whole: Path) -> None:
    """Some die inside a checkpoint, some between two."""
    draw = random.Random(0)
    # a step takes about 0.1 s; the child counts and dies by itself, for on a busy machine we may come too late
    deaths = [
        Death(in_save=in_save) if in_save else Death(0, draw.choice([1, 2]), draw.uniform(0, 0.2))
        for in_save in (1, 0, 0, 2, 0, 0)
    ]
    killed_and_whole(
        lambda folder: train(SETTINGS, FrameCache(cache), read_splits(splits), folder),
        out, whole, deaths, "model.safetensors",
    )  # fmt: skip


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
