"""Pre-train tiny-vicuna: `python scripts/pretrain_tiny_vicuna.py` (35 minutes on a shared 2-core CPU)."""

import sys
from pathlib import Path

from encoders.tiny_vicuna_pretraining.run import pretrain
from encoders.tiny_vicuna_pretraining.training import PretrainingConfig
from gymqa.cli.main import run_script


def main(
    out: Path = Path("encoders/tiny_vicuna"),
    work: Path = Path("runs/tiny_vicuna"),
    steps: int = PretrainingConfig.steps,
    seed: int = PretrainingConfig.seed,
) -> None:
    """Pre-train the embedded language model; the same command resumes from the last checkpoint.

    Args:
        out: folder of the finished model.
        work: folder of tokenizer and checkpoints.
        steps: optimiser steps.
        seed: of all random numbers.
    """
    pretrain(out, work, PretrainingConfig(steps=steps, seed=seed))


if __name__ == "__main__":
    sys.exit(run_script(main, "pretrain_tiny_vicuna.py"))
