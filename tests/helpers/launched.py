"""Scripts started as users start them, by accelerate launch."""

import os
import subprocess
import sys
from pathlib import Path

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


def run_python(tmp_path: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run Python with a Hub cache of the test's own, and no token but the one given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    told = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", **environment}
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, env={**clean, **told}, check=False)
