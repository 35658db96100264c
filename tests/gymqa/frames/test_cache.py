"""The frame cache: decoded once, honest about what does not decode, the same for every reader."""

import json
import multiprocessing
import os
import pickle
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from gymqa.errors import GymQAError
from gymqa.frames import cache as frames_module
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.video import decode, write_video
from tests.helpers.naming import naming


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for i in range(20):
        start = rng.integers(0, 255, (1, 32, 40, 3), dtype=np.uint8)
        write_video(folder / f"c{i:02d}.mp4", np.concatenate([np.roll(start, t, 2) for t in range(6 + i)]), fps=10)
    return folder


def build(
    folder: Path,
    videos: Path,
    ids: list[str],
    workers: int = 1,
    size: int = 16,
    format: FrameFormat | None = None,
    verify: bool = False,
) -> FrameCache:
    return FrameCache.build(folder, ids, lambda clip: videos / f"{clip}.mp4", size, 12, workers, format, verify)


def as_jpeg(frame: np.ndarray) -> np.ndarray:
    """A picture as it comes back from JPEG of quality 95."""
    code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1]


IDS = [f"c{i:02d}" for i in range(20)]
FORMATS: tuple[FrameFormat, ...] = ("raw", "jpeg")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_holds_what_decoding_gives(tmp_path: Path, videos: Path, workers: int) -> None:
    cache = build(tmp_path, videos, IDS, workers)
    assert len(cache) == 20
    assert cache.format == "raw"
    for clip in IDS:
        np.testing.assert_array_equal(cache.get(clip), decode(videos / f"{clip}.mp4", 16, 12))
    assert cache.lengths(["c00", "c19"]).tolist() == [6, 12]
    indices = np.array([[0, 5, 5], [1, 2, 11]])
    picked = cache.gather(["c00", "c19"], indices)
    np.testing.assert_array_equal(picked, np.stack([cache.get("c00")[indices[0]], cache.get("c19")[indices[1]]]))
    assert cache.damaged() == []


@pytest.mark.slow
def test_a_jpeg_cache_holds_what_jpeg_makes_of_it(tmp_path: Path, videos: Path) -> None:
    cache = build(tmp_path, videos, IDS, workers=2, format="jpeg")
    for clip in IDS:
        wanted = [as_jpeg(frame) for frame in decode(videos / f"{clip}.mp4", 16, 12)]
        np.testing.assert_array_equal(cache.get(clip), wanted)
    assert cache.lengths(["c00", "c19"]).tolist() == [6, 12]
    assert cache.damaged() == []


@pytest.mark.parametrize("format", FORMATS)
def test_frames_come_in_the_order_asked_for_and_as_often(tmp_path: Path, videos: Path, format: FrameFormat) -> None:
    cache = build(tmp_path, videos, IDS, format=format)
    indices = np.array([[5, 0, 5, 2], [1, 1, 11, 3]])
    picked = cache.gather(["c00", "c19"], indices)
    np.testing.assert_array_equal(picked, np.stack([cache.get("c00")[indices[0]], cache.get("c19")[indices[1]]]))
    for beyond in (6, -1):  # a raw clip's slot has room for 12
        with pytest.raises(IndexError, match=naming([6])):
            cache.gather(["c00"], np.array([[0, beyond]]))


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_the_same_clips_give_the_same_bytes(tmp_path: Path, videos: Path, format: FrameFormat) -> None:
    for name, workers in (("a", 1), ("b", 2)):
        build(tmp_path / name, videos, IDS, workers, format=format)
    for name in ("frames.bin", "clips.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_large_set_becomes_jpeg_and_a_cache_keeps_its_format(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "small", videos, IDS[:5])
    monkeypatch.setattr(frames_module, "RAW_LIMIT", 5 * 12 * 16 * 16 * 3)
    assert build(tmp_path / "limit", videos, IDS[:5]).format == "raw"
    assert build(tmp_path / "large", videos, IDS[:6]).format == "jpeg"
    assert build(tmp_path / "small", videos, IDS).format == "raw"
    with pytest.raises(GymQAError, match=naming(tmp_path / "small", "size 16", "max_frames 12", "raw", "jpeg")):
        build(tmp_path / "small", videos, IDS, format="jpeg")


def frames_sum(cache: FrameCache) -> int:
    """What a reading process makes of all clips."""
    return sum(int(cache.get(clip).sum()) for clip in cache.clip_ids)


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_read_the_same_file_and_no_video(
    tmp_path: Path, videos: Path, format: FrameFormat, start: str
) -> None:
    shutil.copytree(videos, tmp_path / "videos")
    cache = build(tmp_path / "cache", tmp_path / "videos", IDS, format=format)
    shutil.rmtree(tmp_path / "videos")
    assert len(pickle.dumps(cache)) < 1000
    with multiprocessing.get_context(start).Pool(2) as pool:
        assert set(pool.map_async(frames_sum, [cache] * 4, 1).get(timeout=60)) == {frames_sum(cache)}
    assert len(build(tmp_path / "cache", tmp_path / "videos", IDS)) == 20


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
    with pytest.raises(GymQAError, match=naming("c01", "broken.mp4")):
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
    with pytest.raises(GymQAError, match=naming("frames.bin")):
        FrameCache(tmp_path)
    cache = build(tmp_path, videos, IDS[:6])
    for clip in IDS[:6]:
        np.testing.assert_array_equal(cache.get(clip), decode(videos / f"{clip}.mp4", 16, 12))


@pytest.mark.parametrize("format", FORMATS)
def test_a_cache_of_an_earlier_version_is_refused_and_made_anew(
    tmp_path: Path, videos: Path, format: FrameFormat
) -> None:
    right = build(tmp_path / "right", videos, IDS[:6], format=format)
    build(tmp_path / "old", videos, ["c09", *IDS[1:6]], format=format)
    index = tmp_path / "old" / "clips.jsonl"
    head, *lines = index.read_text().replace("c09", "c00").splitlines()
    old_head = {name: value for name, value in json.loads(head).items() if name != "reading"}
    index.write_text("\n".join([json.dumps(old_head), *lines]) + "\n")
    with pytest.raises(GymQAError, match=naming("gymqa cache", tmp_path / "old", "--size 16", "--max_frames 12")):
        FrameCache(tmp_path / "old")
    anew = build(tmp_path / "old", videos, IDS[:6])
    assert anew.fingerprint() == right.fingerprint()
    for clip in IDS[:6]:
        np.testing.assert_array_equal(anew.get(clip), right.get(clip))
    assert anew.damaged() == [] == FrameCache(tmp_path / "old").damaged()


@pytest.mark.parametrize("format", FORMATS)
def test_changed_bytes_are_found_and_mended(tmp_path: Path, videos: Path, format: FrameFormat) -> None:
    cache = build(tmp_path, videos, IDS[:4], format=format)
    whole = [cache.get(clip) for clip in IDS[:4]]
    data = tmp_path / "frames.bin"
    place = cache._entries["c01"]
    with data.open("r+b") as file:
        file.seek(place.offset + place.bytes // 2)
        file.write(b"\x00\x01\x02\x03")
    assert FrameCache(tmp_path).damaged() == ["c01"]
    assert build(tmp_path, videos, IDS[:4]).damaged() == ["c01"]
    mended = build(tmp_path, videos, IDS[:4], verify=True)
    assert mended.damaged() == []
    for clip, frames in zip(IDS, whole, strict=False):
        np.testing.assert_array_equal(mended.get(clip), frames)


@pytest.mark.parametrize("format", ["raw", "jpeg"])
def test_one_flipped_byte_is_refused_at_the_clips_first_use_and_no_other_clip_suffers(
    tmp_path: Path, videos: Path, format: FrameFormat
) -> None:
    cache = build(tmp_path, videos, IDS[:2], format=format)
    entry = cache._entries["c01"]
    with (tmp_path / "frames.bin").open("r+b") as file:
        file.seek(entry.offset + entry.bytes // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 16]))
    opened = FrameCache(tmp_path)
    assert opened.get("c00").any()
    for read in (lambda: opened.get("c01"), lambda: opened.gather(["c00", "c01"], np.zeros((2, 1), int))):
        with pytest.raises(GymQAError, match=naming("c01", "--verify")):
            read()


def test_a_jpeg_picture_that_does_not_decode_is_named(tmp_path: Path, videos: Path) -> None:
    cache = build(tmp_path, videos, IDS[:2], format="jpeg")
    with (tmp_path / "frames.bin").open("r+b") as file:
        file.seek(cache._entries["c01"].offset + 4 * 7)
        file.write(bytes(200))
    with pytest.raises(GymQAError, match=naming("c01", "--verify")):
        FrameCache(tmp_path).get("c01")


def test_other_settings_no_cache_and_a_second_builder_are_refused(tmp_path: Path, videos: Path) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path)):
        FrameCache(tmp_path)
    build(tmp_path, videos, IDS[:1])
    with pytest.raises(GymQAError, match=naming(tmp_path, "size 16", "size 24")):
        build(tmp_path, videos, IDS[:1], size=24)
    import fcntl

    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(GymQAError, match=naming(tmp_path, "--out")):
            build(tmp_path, videos, IDS[:1])
