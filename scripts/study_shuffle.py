"""Study of shuffled frames, FineGym's Figure 6b: `python scripts/study_shuffle.py`, as `gymqa study shuffle`."""

import sys

from gymqa.cli.main import run_script
from gymqa.cli.studies.shuffle import shuffle

if __name__ == "__main__":
    sys.exit(run_script(shuffle, "study_shuffle.py"))
