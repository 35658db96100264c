"""Accuracy by number of test frames (FineGym's Fig. 6c): `scripts/study_test_frames.py`, `gymqa study test-frames`."""

import sys

from gymqa.cli.main import run_script
from gymqa.cli.studies.test_frames import frames_in_testing

if __name__ == "__main__":
    sys.exit(run_script(frames_in_testing, "study_test_frames.py"))
