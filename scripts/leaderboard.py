"""The leaderboard's site: `python scripts/leaderboard.py RESULTS… --questions … --out site/`, as `gymqa report`."""

import sys

from gymqa.cli import run_script
from gymqa.commands.report import report

if __name__ == "__main__":
    sys.exit(run_script(report, "leaderboard.py"))
