"""Fine-tune the language model: `accelerate launch scripts/finetune_mllm.py --config recipe.yaml`, as `gymqa finetune`.

On several CPU processes: the same with `--num_processes 2 --cpu`, before the script's name or at the end.
"""

import sys
from collections.abc import Sequence

from gymqa.cli.main import attempt, dispatch
from gymqa.runtime.launching import start_processes


def finetune(words: Sequence[str]) -> None:
    """Start the requested number of processes for one tuning."""
    dispatch(["finetune", *start_processes(__file__, words)])


if __name__ == "__main__":
    sys.exit(attempt(finetune, sys.argv[1:]))
