"""Make `encoders/tiny_vicuna`: `python scripts/pretrain_tiny_vicuna.py` (35 minutes on a shared 2-core CPU)."""

import argparse
from pathlib import Path

from encoders.tiny_vicuna_pretraining.run import pretrain
from encoders.tiny_vicuna_pretraining.training import PretrainingConfig


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("encoders/tiny_vicuna"), help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=Path("runs/tiny_vicuna"), help="folder of checkpoints")
    parser.add_argument("--steps", type=int, default=PretrainingConfig.steps)
    parser.add_argument("--seed", type=int, default=PretrainingConfig.seed)
    arguments = parser.parse_args()
    pretrain(arguments.out, arguments.work, PretrainingConfig(steps=arguments.steps, seed=arguments.seed))


if __name__ == "__main__":
    main()
