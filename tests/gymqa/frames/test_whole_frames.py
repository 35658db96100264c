"""The frame cache keeps whole frames and their times; its squares are what was cut out before it did."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.flow import build_flow
from gymqa.frames.sampling import ClipTimes, at_rate
from gymqa.frames.source import whole_frames
from gymqa.frames.video import decode, write_video
from gymqa.frames.views import GradientFrames
from tests.helpers.naming import naming
from tests.helpers.numbered_frames import ELEMENTS, NumberedFrames
from tests.helpers.numbered_videos import FPS, KINDS, numbered, write

SHAPES = {"wide": (32, 58), "high": (58, 32), "square": (32, 32)}
CUTS: dict[str, tuple[slice, ...]] = {
    "wide": (slice(None), slice(None), slice(6, 22)),
    "high": (slice(None), slice(6, 22)),
    "square": (),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    for name, shape in SHAPES.items():
        start = rng.integers(0, 255, (1, *shape, 3), dtype=np.uint8)
        write_video(folder / f"{name}.mp4", np.concatenate([np.roll(start, t, 2) for t in range(20)]), fps=10)
    return folder


def build(folder: Path, videos: Path, format: FrameFormat) -> FrameCache:
    return FrameCache.build(folder, SHAPES, lambda clip: videos / f"{clip}.mp4", 16, 8, 1, format)


def as_jpeg(frame: np.ndarray) -> np.ndarray:
    code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR))[..., ::-1]


def resized(path: Path) -> np.ndarray:
    """The eight frames kept of twenty, their short side 16 pixels."""
    frames = decode(path)[[1, 3, 6, 8, 11, 13, 16, 18]]
    height, width = frames.shape[1:3]
    to = (round(width * 16 / min(height, width)), round(height * 16 / min(height, width)))
    return np.stack([cv2.resize(frame, to, interpolation=cv2.INTER_AREA) for frame in frames])


@pytest.mark.parametrize("clip", SHAPES)
def test_whole_frames_and_their_middle_squares_are_read(tmp_path: Path, videos: Path, clip: str) -> None:
    cache, frames, order = build(tmp_path, videos, "raw"), resized(videos / f"{clip}.mp4"), np.array([7, 0, 0, 3])
    np.testing.assert_array_equal(cache.whole(clip, order), frames[order])
    np.testing.assert_array_equal(cache.get(clip), frames[CUTS[clip]])
    np.testing.assert_array_equal(cache.get(clip), decode(videos / f"{clip}.mp4", 16, 8))
    with pytest.raises(IndexError, match=naming([8])):
        cache.whole(clip, np.array([8]))


@pytest.mark.parametrize("clip", SHAPES)
def test_as_jpeg_the_squares_do_not_depend_on_what_is_around_them(tmp_path: Path, videos: Path, clip: str) -> None:
    cache, frames = build(tmp_path, videos, "jpeg"), resized(videos / f"{clip}.mp4")
    np.testing.assert_array_equal(cache.get(clip), [as_jpeg(frame) for frame in frames[CUTS[clip]]])
    whole = cache.whole(clip, np.array([7, 0, 0, 3]))
    assert whole.shape[1:] == frames.shape[1:]
    np.testing.assert_array_equal(whole[CUTS[clip]], cache.get(clip)[[7, 0, 0, 3]])
    near = np.abs(whole.astype(int) - frames[[7, 0, 0, 3]]).mean()
    assert near < 20 < np.abs(whole.astype(int) - frames[[6, 1, 1, 4]]).mean()


@pytest.mark.parametrize("format", ["raw", "jpeg"])
def test_a_cache_of_several_shapes_is_checked_mended_and_goes_on(
    tmp_path: Path, videos: Path, format: FrameFormat
) -> None:
    cache = build(tmp_path, videos, format)
    picked = cache.gather(list(SHAPES), np.array([[0, 7]] * 3))
    np.testing.assert_array_equal(picked, [cache.get(clip)[[0, 7]] for clip in SHAPES])
    wanted = {clip: cache.whole(clip, np.arange(8)) for clip in SHAPES}
    with (tmp_path / "frames.bin").open("r+b") as file:  # in the margins of the second clip
        entry = cache._entries["high"]
        file.seek(entry.offset + entry.bytes - 2)
        file.write(b"\x01\x02")
    assert FrameCache(tmp_path).damaged() == ["high"]
    mended = FrameCache.build(tmp_path, SHAPES, lambda clip: videos / f"{clip}.mp4", 16, 8, 1, verify=True)
    assert mended.damaged() == []
    for clip in SHAPES:
        np.testing.assert_array_equal(mended.whole(clip, np.arange(8)), wanted[clip])


def test_every_frame_has_its_time(tmp_path: Path, videos: Path) -> None:
    times = build(tmp_path, videos, "raw").times("wide")
    assert times == ClipTimes(10, 2.0, 20, 8)
    np.testing.assert_allclose(times.seconds, [0.1, 0.3, 0.6, 0.8, 1.1, 1.3, 1.6, 1.8])
    assert FrameCache(tmp_path).times("wide") == times


def test_decord_reads_the_same_times(tmp_path: Path, videos: Path) -> None:
    found = FrameCache.build(tmp_path, ["wide"], lambda _: videos / "wide.mp4", 16, 8, 1, decoder="decord")
    assert found.times("wide") == ClipTimes(10, 2.0, 20, 8)


def test_frames_of_a_varying_rate_keep_their_own_times(tmp_path: Path) -> None:
    (kind,) = (kind for kind in KINDS if kind.name == "h264.mkv")
    ticks = [0, 100, 200, 600, 700, 1000]  # hundredths of a frame
    write(tmp_path / kind.name, kind, numbered(6), ticks)
    cache = FrameCache.build(tmp_path / "cache", ["v"], lambda _: tmp_path / kind.name, 16, 6, 1)
    times = cache.times("v")
    assert times is not None and times.stamps and times == FrameCache(tmp_path / "cache").times("v")
    np.testing.assert_allclose(times.seconds, np.array(ticks) / 100 / FPS, atol=1e-3)


def test_images_have_the_times_of_the_rate_that_is_given(tmp_path: Path, videos: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number, frame in enumerate(decode(videos / "wide.mp4")):
        cv2.imwrite(str(images / f"{number:03d}.png"), frame[..., ::-1])
    unknown, known = (
        FrameCache.build(tmp_path / str(fps), ["v"], lambda _: images, 16, 8, 1, image_fps=fps) for fps in (None, 5.0)
    )
    assert unknown.times("v") is None
    assert known.times("v") == ClipTimes(5, 4.0, 20, 8)
    with pytest.raises(GymQAError, match=naming(tmp_path / "5.0", "image_fps 5.0")):
        FrameCache.build(tmp_path / "5.0", ["v"], lambda _: images, 16, 8, 1, image_fps=10.0)
    with pytest.raises(GymQAError, match=naming("--image_fps")):
        FrameCache.build(tmp_path / "none", ["v"], lambda _: images, 16, 8, 1, image_fps=0.0)


@pytest.mark.parametrize(
    ("fps", "most", "wanted"),
    [(2, 64, [6, 18, 31, 43]), (1, 64, [12, 37]), (2, 3, [8, 25, 41]), (0.1, 64, [25]), (25, 64, list(range(50)))],
)
def test_frames_at_a_rate_are_spread_evenly_over_the_clip(fps: float, most: int, wanted: list[int]) -> None:
    assert at_rate(ClipTimes(25, 2.0, 50, 50), fps, most).tolist() == wanted


def test_frames_at_a_rate_are_those_nearest_in_time_and_none_twice() -> None:
    late = ClipTimes(10, 2.0, 8, 8, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.9))
    assert at_rate(late, 2, 64).tolist() == [2, 6, 7]


def test_a_rate_that_the_cache_did_not_keep_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("8 per second", "--max_frames 16")):
        at_rate(ClipTimes(25, 2.0, 50, 8), 8, 64)
    assert len(at_rate(ClipTimes(25, 0.32, 8, 8), 50, 64)) == 8  # all that the video has


@pytest.mark.parametrize("control", ["none", "one-frame", "frozen", "shuffled", "reversed", "mismatched"])
def test_controls_show_the_same_whole_frames_as_squares(control: str) -> None:
    frames, order = ControlledFrames(NumberedFrames(), control, 1, ELEMENTS), np.array([0, 0])
    whole = frames.whole("b", order)
    assert whole.shape == (2, 2, 4, 3)
    np.testing.assert_array_equal(whole[:, :, :2], frames.gather(["b"], order[None])[0])


def test_time_goes_on_under_a_control() -> None:
    def times(control: str) -> ClipTimes | None:
        return ControlledFrames(NumberedFrames(), control, 1, {"b": 0, "c": 1}).times("b")

    own = ClipTimes(10, 0.8, 8, 8)
    assert times("frozen") == times("shuffled") == times("reversed") == own
    assert times("mismatched") == ClipTimes(10, 0.2, 2, 2)
    assert times("one-frame") == replace(own, source_frames=1, frames=1, stamps=(0.4,))


def test_other_frames_than_cached_ones_have_no_whole_frames(tmp_path: Path, videos: Path) -> None:
    cache = build(tmp_path / "cache", videos, "raw")
    with pytest.raises(GymQAError, match=naming(tmp_path / "cache", "gymqa cache")):
        whole_frames(GradientFrames(cache))
    flow = build_flow(tmp_path / "flow", tmp_path / "cache", "dis", 1)
    assert flow.get("wide").shape == (8, 16, 16, 2)
    assert flow.times("wide") is None
