"""Build the leaderboard page: `python scripts/leaderboard.py RESULTS… --questions … --out site/`, as `gymqa report`."""

import sys

from gymqa.cli.commands.answers.report import report
from gymqa.cli.main import run_script

if __name__ == "__main__":
    sys.exit(run_script(report, "leaderboard.py"))
