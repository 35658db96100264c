"""Tune in child processes that are killed again and again: `killing_tuner.py OUT WHOLE`.

Torch is imported once; each child is a fork, which is safe with one thread (OMP_NUM_THREADS=1).
"""

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from encoders.tuning.clips import PseudoLabel, TuningMaterial
from encoders.tuning.finetune import Tuning
from tests.helpers import mllm_examples
from tests.helpers.mllm_examples import ExampleFeatures
from tests.helpers.tuning_world import SMALL

SETTINGS = replace(SMALL, checkpoint_every=1, accumulation=2, feature_noise=0.2, lora=replace(SMALL.lora, dropout=0.1))


def child(out: Path, saves_to_die: int = 0, inside: bool = False) -> int:
    """Start a child that tunes, and dies by SIGKILL inside or soon after its n-th checkpoint; returns its id."""
    process = os.fork()
    if process:
        return process
    save, saves = torch.save, 0

    def counted(state: object, file: Any) -> None:
        nonlocal saves
        saves += 1
        save(state, file)
        if saves == saves_to_die and inside:
            file.truncate(1000)
            os.kill(os.getpid(), signal.SIGKILL)
        if saves == saves_to_die:
            threading.Timer(0.05 * saves, os.kill, (os.getpid(), signal.SIGKILL)).start()

    torch.save = counted  # type: ignore[assignment]
    clips = mllm_examples.clips()
    guessed = tuple(PseudoLabel(clip, 0.8) for clip in clips[12:])
    Tuning(
        TuningMaterial(ExampleFeatures(clips), tuple(clips[:12]), mllm_examples.taxonomy(), guessed), SETTINGS, out
    ).run()
    os._exit(0)


def main(out: Path, whole: Path) -> None:
    """Tune `whole` without a kill, then `out` with many; print the step of the last checkpoint after each."""
    assert os.waitpid(child(whole), 0)[1] == 0
    last, steps = out / "checkpoints" / "last.pt", []
    for saves, inside in ((2, True), (1, False), (3, True), (2, False)):
        assert os.waitpid(child(out, saves, inside), 0)[1] == signal.SIGKILL
        steps.append(torch.load(last, weights_only=True)["state"]["step"] if last.exists() else 0)
    print("stopped at", *steps)
    assert not (out / "config.json").exists()
    assert os.waitpid(child(out), 0)[1] == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
