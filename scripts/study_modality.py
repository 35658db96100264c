"""RGB, flow, gradient, pose (FineGym's Table 2, Figure 6a): `scripts/study_modality.py`, as `gymqa study modality`."""

import sys

from gymqa.cli.main import run_script
from gymqa.cli.studies.modality import modality

if __name__ == "__main__":
    sys.exit(run_script(modality, "study_modality.py"))
