"""Accuracy by number of input frames (FineGym's Table 5): `scripts/study_frames.py`, as `gymqa study frames`."""

import sys

from gymqa.cli.main import run_script
from gymqa.cli.studies.frames import frames

if __name__ == "__main__":
    sys.exit(run_script(frames, "study_frames.py"))
