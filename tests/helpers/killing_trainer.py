"""Train in child processes that are killed again and again: `killing_trainer.py CACHE SPLITS OUT WHOLE`.

Torch is imported once; each child is a fork, which is safe with one thread (OMP_NUM_THREADS=1).
"""

import os
import random
import signal
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gymqa.finegym.splits import read_splits
from gymqa.frames.cache import FrameCache
from recognizers.ssl.algorithms import SEFAR
from recognizers.training.train import train
from tests.helpers.training_world import CONFIG

STEPS = 40


@dataclass(frozen=True)
class Death:
    """When a child dies: inside its n-th checkpoint (from 1), or some seconds after it wrote its n-th."""

    in_save: int = 0
    after_save: int = 0
    seconds: float = 0.0


def child(cache: Path, splits: Path, out: Path, dies: Death | None = None) -> int:
    """Start a child that trains, and dies by SIGKILL as `dies` says; returns its id."""
    process = os.fork()
    if process:
        return process
    save, saves = torch.save, 0

    def counted(state: object, file: Any) -> None:
        nonlocal saves
        saves += 1
        save(state, file)
        if dies and saves == dies.in_save:
            file.truncate(1000)
            os.kill(os.getpid(), signal.SIGKILL)
        if dies and saves == dies.after_save:
            threading.Timer(dies.seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()

    torch.save = counted  # type: ignore[assignment]
    config = replace(CONFIG, algorithm=SEFAR, steps=STEPS, checkpoint_every=1, workers=2)
    train(config, FrameCache(cache), read_splits(splits), out)
    os._exit(0)


def main(cache: Path, splits: Path, out: Path, whole: Path) -> None:
    """Train `whole` without a kill, then `out` with many; print the step of the last checkpoint after each."""
    assert os.waitpid(child(cache, splits, whole), 0)[1] == 0
    draw, last, steps = random.Random(0), out / "checkpoints" / "last.pt", []
    for in_save in (1, 0, 0, 2, 0, 0):
        # a step takes about 0.1 s; the child counts and dies by itself, for on a busy machine we may come too late
        dies = Death(in_save=in_save) if in_save else Death(0, draw.choice([1, 2]), draw.uniform(0, 0.2))
        assert os.waitpid(child(cache, splits, out, dies), 0)[1] == signal.SIGKILL
        steps.append(torch.load(last, weights_only=True)["state"]["step"] if last.exists() else 0)
    print("stopped at", *steps)
    assert not (out / "model.safetensors").exists()
    assert os.waitpid(child(cache, splits, out), 0)[1] == 0


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
