"""Train in child processes that are killed again and again: `killing_trainer.py CACHE SPLITS OUT WHOLE`.

Torch is imported once; each child is a fork, which is safe with one thread (OMP_NUM_THREADS=1).
"""

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gymqa.frames import FrameCache
from gymqa.splits import read_splits
from recognizers.algorithms import SEFAR
from recognizers.train import train
from tests.training_world import CONFIG


def child(cache: Path, splits: Path, out: Path, killed_in_save: int) -> int:
    """Start a child that trains, and die in its n-th checkpoint (from 1) if `killed_in_save` is n; returns its id."""
    process = os.fork()
    if process:
        return process
    save, saves = torch.save, 0

    def half(state: object, file: Any) -> None:
        nonlocal saves
        saves += 1
        save(state, file)
        if saves == killed_in_save:
            file.truncate(1000)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = half  # type: ignore[assignment]
    config = replace(CONFIG, algorithm=SEFAR, steps=16, checkpoint_every=1, workers=2)
    train(config, FrameCache(cache), read_splits(splits), out)
    os._exit(0)


def after_checkpoints(last: Path, n: int) -> None:
    """Wait till the checkpoint was written `n` times more."""
    for _ in range(n):
        seen = last.stat().st_mtime_ns if last.exists() else 0
        while not last.exists() or last.stat().st_mtime_ns == seen:
            time.sleep(0.001)


def main(cache: Path, splits: Path, out: Path, whole: Path) -> None:
    """Train `whole` without a kill, then `out` with many; print the step of the last checkpoint after each."""
    assert os.waitpid(child(cache, splits, whole, 0), 0)[1] == 0
    draw, last, steps = random.Random(0), out / "checkpoints" / "last.pt", []
    for killed_in_save in (1, 0, 0, 2, 0, 0):
        process = child(cache, splits, out, killed_in_save)
        if not killed_in_save:
            after_checkpoints(last, draw.choice([1, 2]))
            time.sleep(draw.uniform(0, 0.2))  # a step takes about 0.1 s
            os.kill(process, signal.SIGKILL)
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
        steps.append(torch.load(last, weights_only=True)["state"]["step"] if last.exists() else 0)
    print("stopped at", *steps)
    assert not (out / "model.safetensors").exists()
    assert os.waitpid(child(cache, splits, out, 0), 0)[1] == 0


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
