"""Children of a helper's process that die by SIGKILL at a checkpoint.

Torch is imported once; each child is a fork, which is safe with one thread (OMP_NUM_THREADS=1).
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Death:
    """When a child dies: inside its n-th checkpoint (from 1), or some seconds after it wrote its n-th."""

    in_save: int = 0
    after_save: int = 0
    seconds: float = 0.0


def child(work: Callable[[], object], dies: Death | None = None) -> int:
    """Start a child that does `work`, and dies by SIGKILL as `dies` says; returns how it ended."""
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1]
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
    work()
    os._exit(0)


def killed_and_whole(work: Callable[[Path], object], out: Path, whole: Path, deaths: list[Death], made: str) -> None:
    """Do `work` in `whole` without a kill, then in `out` with many; print the last checkpoint's step after each."""
    assert child(lambda: work(whole)) == 0
    last, steps = out / "checkpoints" / "last.pt", []
    for dies in deaths:
        assert child(lambda: work(out), dies) == signal.SIGKILL
        steps.append(torch.load(last, weights_only=True)["state"]["step"] if last.exists() else 0)
    print("stopped at", *steps)
    assert not (out / made).exists()
    assert child(lambda: work(out)) == 0
