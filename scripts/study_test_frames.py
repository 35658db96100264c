"""FineGym's Figure 6c: `python scripts/study_test_frames.py`, as `gymqa study test-frames`."""

import sys

from gymqa.cli import run_script
from gymqa.commands.studies.frames_in_testing import frames_in_testing

if __name__ == "__main__":
    sys.exit(run_script(frames_in_testing, "study_test_frames.py"))
