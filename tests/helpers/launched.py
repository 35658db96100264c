"""Scripts started as users start them, by accelerate launch."""

import os
import subprocess
import sys

from tests.helpers.places import ROOT

SCRIPT = str(ROOT / "scripts" / "train_recognizer.py")
ACCELERATE = [sys.executable, "-m", "accelerate.commands.launch"]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
