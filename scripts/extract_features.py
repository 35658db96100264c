"""Extract features: `accelerate launch scripts/extract_features.py clip runs/frames --clips …`, as `gymqa extract`.

On several CPU processes: the same with `--num_processes 2 --cpu`, before the script's name or at the end.
"""

import sys
from collections.abc import Sequence

from gymqa.cli.main import attempt, dispatch
from gymqa.runtime.launching import start_processes


def extract(words: Sequence[str]) -> None:
    """Start the requested number of processes; each extracts its shard of the clips."""
    dispatch(["extract", *start_processes(__file__, words)])


if __name__ == "__main__":
    sys.exit(attempt(extract, sys.argv[1:]))
