"""Building the frame cache: it may be killed, run out of disk, and hold any number of clips."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.video import write_video
from tests.helpers.naming import does_name

FORMATS: tuple[FrameFormat, ...] = ("raw", "jpeg")
IDS = [f"c{i:03d}" for i in range(60)]
SIZE = 32

BUILD = """
import resource, sys
from pathlib import Path
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
folder, video, format, workers, clips, size, limit = sys.argv[1:]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
if __name__ == "__main__":
    ids = [f"c{i:03d}" for i in range(int(clips))]
    try:
        FrameCache.build(Path(folder), ids, lambda clip: Path(video), int(size), 30, int(workers), format)
    except GymQAError as error:
        sys.exit(str(error))
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "a.mp4"
    start = np.random.default_rng(0).integers(0, 255, (1, 80, 80, 3), dtype=np.uint8)
    write_video(path, np.concatenate([np.roll(start, t, 2) for t in range(30)]), fps=10)
    return path


def command(
    folder: Path, video: Path, format: str, workers: int, clips: int = len(IDS), size: int = SIZE, limit: int = 0
) -> list[str]:
    """A process that builds a cache and prints its peak memory, KiB; it may write files of `limit` bytes, 0 for any."""
    script = folder.parent / "build.py"  # a file, for workers import what they are started from
    script.write_text(BUILD)
    numbers = [str(number) for number in (workers, clips, size, limit)]
    return [sys.executable, str(script), str(folder), str(video), format, *numbers]


def contents(folder: Path) -> list[bytes]:
    """The cache's files."""
    return [(folder / name).read_bytes() for name in ("frames.bin", "clips.jsonl")]


def whole_cache(folder: Path, video: Path, format: FrameFormat) -> list[bytes]:
    """The files of a cache that was built in one go."""
    FrameCache.build(folder, IDS, lambda _: video, SIZE, 30, 1, format)
    return contents(folder)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_killed_it_leaves_no_process_and_goes_on_to_the_same_bytes(
    tmp_path: Path, video: Path, format: FrameFormat
) -> None:
    folder = tmp_path / "cache"
    process = subprocess.Popen(command(folder, video, format, workers=2))
    index = folder / "clips.jsonl"
    while not index.exists() or index.read_text().count("\n") < 9:
        time.sleep(0.005)
        assert process.poll() is None
    seen = FrameCache(folder)  # a reader while it is being built
    assert seen.damaged() == []
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(workers) >= 2
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    done = FrameCache(folder)
    assert 8 <= len(done) < len(IDS)
    assert done.damaged() == []
    before = [seen.get(clip) for clip in seen.clip_ids]
    FrameCache.build(folder, IDS, lambda _: video, SIZE, 30, 1, format)
    assert contents(folder) == whole_cache(tmp_path / "whole", video, format)
    for clip, frames in zip(seen.clip_ids, before, strict=True):
        np.testing.assert_array_equal(seen.get(clip), frames)


@pytest.mark.slow
@pytest.mark.parametrize(("format", "workers"), [("raw", 2), ("jpeg", 1)])
def test_a_full_disk_is_told_and_nothing_is_lost(
    tmp_path: Path, video: Path, format: FrameFormat, workers: int
) -> None:
    wanted = whole_cache(tmp_path / "whole", video, format)
    folder, limit = tmp_path / "cache", len(wanted[0]) * 2 // 3
    run = subprocess.run(command(folder, video, format, workers, limit=limit), capture_output=True, text=True)
    assert run.returncode == 1
    assert does_name(run.stderr.splitlines()[-1], folder, "File too large")
    done = FrameCache(folder)
    assert 30 <= len(done) < len(IDS)
    assert done.damaged() == []
    FrameCache.build(folder, IDS, lambda _: video, SIZE, 30, 1, format)
    assert contents(folder) == wanted


@pytest.mark.exhaustive
@pytest.mark.slow
def test_memory_does_not_grow_with_the_clips(tmp_path: Path) -> None:
    write_video(tmp_path / "tiny.mp4", np.zeros((30, 16, 16, 3), np.uint8))
    peaks = []
    for clips in (30, 150):  # 25 and 124 MB of frames
        words = command(tmp_path / f"cache-{clips}", tmp_path / "tiny.mp4", "raw", 2, clips, size=96)
        peaks.append(int(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
    assert peaks[1] - peaks[0] < 15_000  # KiB
