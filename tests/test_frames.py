"""The frame cache: decoded once, resumable, honest about what does not decode, never half-written."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gymqa.errors import GymQAError
from gymqa.frames import FrameCache
from gymqa.video import decode, write_video


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for i in range(20):
        start = rng.integers(0, 255, (1, 32, 40, 3), dtype=np.uint8)
        write_video(folder / f"c{i:02d}.mp4", np.concatenate([np.roll(start, t, 2) for t in range(6 + i)]), fps=10)
    return folder


def build(folder: Path, videos: Path, ids: list[str], workers: int = 1, size: int = 16) -> FrameCache:
    return FrameCache.build(folder, ids, lambda clip: videos / f"{clip}.mp4", size, max_frames=12, workers=workers)


IDS = [f"c{i:02d}" for i in range(20)]


@pytest.mark.parametrize("workers", [1, 2])
def test_holds_what_decoding_gives(tmp_path: Path, videos: Path, workers: int) -> None:
    cache = build(tmp_path, videos, IDS, workers)
    assert len(cache) == 20
    for clip in IDS:
        np.testing.assert_array_equal(cache.get(clip), decode(videos / f"{clip}.mp4", 16, 12))
    assert cache.lengths(["c00", "c19"]).tolist() == [6, 12]
    indices = np.array([[0, 5, 5], [1, 2, 11]])
    picked = cache.gather(["c00", "c19"], indices)
    np.testing.assert_array_equal(picked, np.stack([cache.get("c00")[indices[0]], cache.get("c19")[indices[1]]]))
    assert cache.damaged() == []


def test_decodes_only_what_is_missing(tmp_path: Path, videos: Path) -> None:
    build(tmp_path, videos, IDS[:5])
    asked: list[str] = []

    def path_of(clip: str) -> Path:
        asked.append(clip)
        return videos / f"{clip}.mp4"

    cache = FrameCache.build(tmp_path, IDS[:8], path_of, 16, 12, workers=1)
    assert asked == IDS[5:8]
    np.testing.assert_array_equal(cache.get("c02"), decode(videos / "c02.mp4", 16, 12))
    np.testing.assert_array_equal(cache.get("c07"), decode(videos / "c07.mp4", 16, 12))


def test_a_clip_that_does_not_decode_is_recorded_and_not_replaced(tmp_path: Path, videos: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"nothing")

    def path_of(clip: str) -> Path:
        return broken if clip == "c01" else videos / f"{clip}.mp4"

    cache = FrameCache.build(tmp_path / "cache", ["c00", "c01", "none"], path_of, 16, 12, workers=1)
    assert cache.clip_ids == ["c00"]
    assert "c01" not in cache
    assert set(cache.failures) == {"c01", "none"}
    with pytest.raises(GymQAError, match=r"c01 .*broken\.mp4 does not decode"):
        cache.get("c01")
    mended = build(tmp_path / "cache", videos, ["c01"])  # the file is there now
    assert mended.clip_ids == ["c00", "c01"]
    assert set(mended.failures) == set()


def test_a_half_written_cache_is_refused_when_read_and_mended_when_built(tmp_path: Path, videos: Path) -> None:
    build(tmp_path, videos, IDS[:6])
    data = tmp_path / "frames.bin"
    os.truncate(data, data.stat().st_size * 2 // 3)
    index = tmp_path / "clips.jsonl"
    index.write_text(index.read_text() + '{"clip_id": "c07", "slo')
    with pytest.raises(GymQAError, match="shorter than its index"):
        FrameCache(tmp_path)
    cache = build(tmp_path, videos, IDS[:6])
    for clip in IDS[:6]:
        np.testing.assert_array_equal(cache.get(clip), decode(videos / f"{clip}.mp4", 16, 12))


def test_changed_bytes_are_found(tmp_path: Path, videos: Path) -> None:
    cache = build(tmp_path, videos, IDS[:3])
    with (tmp_path / "frames.bin").open("r+b") as file:
        file.seek(12 * 16 * 16 * 3 + 5)  # in the second slot
        file.write(b"\x00\x01\x02\x03")
    assert FrameCache(tmp_path).damaged() == [cache.clip_ids[1]]


def test_other_settings_no_cache_and_a_second_builder_are_refused(tmp_path: Path, videos: Path) -> None:
    with pytest.raises(GymQAError, match="holds no frame cache"):
        FrameCache(tmp_path)
    build(tmp_path, videos, IDS[:1])
    with pytest.raises(GymQAError, match="built with"):
        build(tmp_path, videos, IDS[:1], size=24)
    import fcntl

    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(GymQAError, match="another process"):
            build(tmp_path, videos, IDS[:1])


def test_goes_on_after_being_killed(tmp_path: Path, videos: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from gymqa import frames\n"
        "frames.CHUNK = 2; videos = Path(sys.argv[2])\n"
        "slow = lambda *a: (time.sleep(0.1), original(*a))[1]\n"
        "original, frames.decode = frames.decode, slow\n"
        "ids = [f'c{i:02d}' for i in range(20)]\n"
        "frames.FrameCache.build(Path(sys.argv[1]), ids, lambda c: videos / f'{c}.mp4', 16, 12, workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "cache"), str(videos)])
    index = tmp_path / "cache" / "clips.jsonl"
    while not index.exists() or index.read_text().count("\n") < 5:
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = FrameCache(tmp_path / "cache").clip_ids
    assert 4 <= len(done) < 20
    cache = build(tmp_path / "cache", videos, IDS)
    for clip in IDS:
        np.testing.assert_array_equal(cache.get(clip), decode(videos / f"{clip}.mp4", 16, 12))
