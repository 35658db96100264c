"""Evaluate a model on questions: `accelerate launch scripts/evaluate.py --model … --questions …`, as `gymqa evaluate`.

On several CPU processes: the same with `--num_processes 2 --cpu`, before the script's name or at the end.
"""

import sys
from collections.abc import Sequence

from gymqa.cli.main import attempt, dispatch
from gymqa.runtime.launching import start_processes


def evaluate(words: Sequence[str]) -> None:
    """Start the requested number of processes; each answers its shard of the questions."""
    dispatch(["evaluate", *start_processes(__file__, words)])


if __name__ == "__main__":
    sys.exit(attempt(evaluate, sys.argv[1:]))
