"""Videos: what is written is read back, all frames in order, and broken files are named."""

from pathlib import Path

import av
import numpy as np
import pytest

from gymqa.errors import GymQAError
from gymqa.frames.sampling import uniform
from gymqa.frames.video import VideoError, decode, square, write_video
from tests.helpers.naming import naming
from tests.helpers.places import SHARED

REAL_CLIPS = SHARED / "clips"


def moving_bar(frames: int = 40, height: int = 48, width: int = 64) -> np.ndarray:
    """A bright bar going right, one pixel a frame, over a grey ramp."""
    video = np.full((frames, height, width, 3), 60, np.uint8)
    video += np.arange(height, dtype=np.uint8)[None, :, None, None]
    for t in range(frames):
        video[t, :, t : t + 8] = (230, 200, 40)
    return video


def test_written_frames_come_back_in_order(tmp_path: Path) -> None:
    video = moving_bar()
    write_video(tmp_path / "a.mp4", video, fps=25)
    back = decode(tmp_path / "a.mp4")
    assert back.shape == video.shape
    assert np.abs(back.astype(int) - video).mean() < 6
    nearest = [int(np.abs(video.astype(int) - frame).mean((1, 2, 3)).argmin()) for frame in back]
    assert nearest == list(range(40))


def test_the_same_frames_give_the_same_bytes_every_time(tmp_path: Path) -> None:
    seen = set()
    for _ in range(40):  # x264's defaults give a handful of different files here, on a processor with AVX-512
        write_video(tmp_path / "a.mp4", moving_bar(), fps=12.5)
        seen.add((tmp_path / "a.mp4").read_bytes())
    assert len(seen) == 1


def test_fewer_frames_are_those_of_the_full_decode(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", moving_bar(40), fps=25)
    whole = decode(tmp_path / "a.mp4", size=24)
    np.testing.assert_array_equal(decode(tmp_path / "a.mp4", size=24, max_frames=8), whole[uniform(40, 8)])
    assert len(decode(tmp_path / "a.mp4", max_frames=60)) == 40


def pyav_frames(path: Path) -> np.ndarray:
    """All frames of an upright video, as PyAV gives them."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("width", [16, 24, 66])  # whose rows FFmpeg pads
def test_every_narrow_video_is_read_as_pyav_reads_it(tmp_path: Path, width: int) -> None:
    video = moving_bar(70, 32, width)
    write_video(tmp_path / "a.mp4", video, fps=25)
    back = decode(tmp_path / "a.mp4")
    np.testing.assert_array_equal(back, pyav_frames(tmp_path / "a.mp4"))
    assert back.shape == video.shape
    assert np.abs(back.astype(int) - video).mean() < 8
    some = decode(tmp_path / "a.mp4", size=24, max_frames=5)
    np.testing.assert_array_equal(some, square(back, 24)[uniform(70, 5)])


@pytest.mark.parametrize("width", [48, 64])
def test_a_video_damaged_in_its_middle_is_named(tmp_path: Path, width: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 64, width, 3), dtype=np.uint8)
    write_video(tmp_path / "a.mp4", noise, fps=25)
    content = (tmp_path / "a.mp4").read_bytes()
    middle = len(content) // 2
    (tmp_path / "a.mp4").write_bytes(content[:middle] + bytes(20_000) + content[middle + 20_000 :])
    with pytest.raises(VideoError, match=naming("a.mp4")):
        decode(tmp_path / "a.mp4")


@pytest.mark.parametrize("shape", [(2, 48, 64, 3), (2, 64, 48, 3), (2, 24, 24, 3), (2, 10, 31, 3)])
def test_square_keeps_the_middle_of_the_picture(shape: tuple[int, ...]) -> None:
    ramp = np.zeros(shape, np.uint8)
    ramp[...] = np.linspace(0, 250, shape[2], dtype=np.uint8)[None, None, :, None]
    out = square(ramp, 24)
    assert out.shape == (2, 24, 24, 3)
    middle = out[0, 12].astype(float).mean()
    assert middle == pytest.approx(125, abs=8)


@pytest.mark.slow
@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason="the real clips are not beside this checkout")
def test_sparse_decoding_of_real_clips_equals_the_full_one() -> None:
    for path in sorted(REAL_CLIPS.glob("*.mp4")):
        whole = decode(path)
        np.testing.assert_array_equal(decode(path, max_frames=5), whole[uniform(len(whole), 5)], err_msg=path.name)


def test_missing_empty_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=naming("none.mp4")):
        decode(tmp_path / "none.mp4")
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match=naming("empty.mp4", "empty")):
        decode(tmp_path / "empty.mp4")
    (tmp_path / "noise.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(VideoError, match=naming("noise.mp4")):
        decode(tmp_path / "noise.mp4")
    write_video(tmp_path / "whole.mp4", moving_bar(), fps=25)
    (tmp_path / "half.mp4").write_bytes((tmp_path / "whole.mp4").read_bytes()[:900])
    with pytest.raises(VideoError, match=naming("half.mp4")):
        decode(tmp_path / "half.mp4")


def test_frames_that_cannot_be_a_video_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    for frames in (moving_bar(2, 47, 64), moving_bar(0), moving_bar(2)[0]):
        with pytest.raises(VideoError, match=naming("a.mp4")):
            write_video(tmp_path / "a.mp4", frames)
    (tmp_path / "file").touch()
    with pytest.raises(GymQAError, match=naming(tmp_path / "file")):
        write_video(tmp_path / "file" / "a.mp4", moving_bar(2))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
