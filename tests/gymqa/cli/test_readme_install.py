"""README's lines for a machine without make: run in a fresh copy of the checkout, as they stand."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.helpers.places import ROOT


def lines_without_make() -> list[str]:
    """The commands that the README shows under "Without `make`", without their comments."""
    shown = (ROOT / "README.md").read_text(encoding="utf-8").split("Without `make`:\n\n")[1].split("\n\n")[0]
    return [line.split("#")[0].strip() for line in shown.splitlines()]


@pytest.mark.exhaustive
def test_a_machine_without_make_installs_and_runs_the_demo_by_the_readmes_lines(tmp_path: Path) -> None:
    checkout = tmp_path / "gymqa"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
    venv, install, demo, checks = lines_without_make()
    for command in (venv, install, f"{demo} --quick"):
        subprocess.run(shlex.split(command), cwd=checkout, check=True)
    assert (checkout / "runs/demo-quick/leaderboard.html").exists()
    assert checks.startswith(".venv/bin/ruff check")
