"""Rendering that is stopped leaves no process and no half-written file, and goes on to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.io.files import only_writer
from gymqa.sim.release import ReleaseConfig, render_release
from tests.helpers.naming import naming

CONFIG = ReleaseConfig(train_videos=4, val_videos=1, raw_videos=1, size=24, seed=3)
WORDS = [f"--release.{name}={value}" for name, value in asdict(CONFIG).items()]


def contents(root: Path) -> dict[str, bytes]:
    """A release's files by their path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_release(tmp_path_factory.mktemp("whole"), CONFIG, workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive)])
def test_stopped_it_leaves_no_process_and_goes_on_to_the_same_bytes(
    tmp_path: Path, whole: Path, stop: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "release"
    command = ["render", "--out", str(root), "--workers", "2", *WORDS]
    process = subprocess.Popen(
        [sys.executable, "-m", "gymqa.cli.main", *command], start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not list(root.glob("manifests/gymsim*")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children(recursive=True)
    if stop == signal.SIGKILL:
        process.kill()  # the parent only, as the system does it when memory runs out
    else:
        os.killpg(process.pid, stop)
    try:
        _, printed = process.communicate(timeout=60)  # the pipe closes with its last holder
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert len(workers) >= 2 and psutil.wait_procs(workers, timeout=20)[1] == []
    assert process.returncode == (-9 if stop == signal.SIGKILL else 130) and b"Traceback" not in printed
    kept = {path: path.stat().st_mtime_ns for path in root.glob("manifests/gymsim*")}
    assert 0 < len(kept) < 5
    (root / "subactions" / ".clip.mp4.00000000-1-1-00000000.gymqa-tmp").touch()  # as a kill elsewhere may leave it
    assert main(command) == 0
    assert "120 sub-action videos" in capsys.readouterr().out
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert contents(root) == contents(whole)


def test_two_processes_do_not_render_into_one_folder(tmp_path: Path) -> None:
    with only_writer(tmp_path, "it"), pytest.raises(GymQAError, match=naming(tmp_path, "--out")):
        render_release(tmp_path, CONFIG)
