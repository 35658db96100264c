"""Decode videos or image folders to frames; write frames as H.264 videos (PyAV)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.frames.decord_reading import proven_reader, read
from gymqa.frames.image_folder import frame_images
from gymqa.frames.reading import Frames, VideoError, open_video
from gymqa.frames.sampling import uniform
from gymqa.io.files import atomic_path

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

Decoder = Literal["pyav", "decord"]

CHUNK = 64  # frames handed on at a time, so that a long video is never in memory at full size


def decode(path: Path, size: int | None = None, max_frames: int | None = None, decoder: Decoder = "pyav") -> Frames:
    """Decode the frames that a video shows, from its first to its last (see `gymqa.frames.reading`).

    Args:
        path: a video file, or a folder of frames as images whose numbers give their order.
        size: pixels; the short side is resized to it, then center-cropped to a square. None keeps their size.
        max_frames: keep at most this many frames, evenly spaced; None keeps all.
        decoder: pyav; or decord for the videos that it is proven to read alike (see `gymqa.frames.decord_reading`).

    Returns:
        uint8 [T, H, W, 3], RGB, T >= 1.

    Raises:
        VideoError: the file is missing, empty, or does not decode to its end.
    """
    if path.is_dir():
        return _decode_images(path, size, max_frames)
    if decoder == "decord" and (reader := proven_reader(path)) is not None:
        frames = read(reader, path, _wanted(len(reader), max_frames))
        return frames if size is None else square(frames, size)
    if max_frames is None:
        return _decode_video(path, size, None, None)[0]
    with open_video(path) as video:
        expected = sum(not packet.is_discard for packet in video.packets())  # for most codecs the number of frames
    frames, shown = _decode_video(path, size, expected, max_frames)
    if shown == expected:
        return frames
    return _decode_video(path, size, shown, max_frames)[0]  # packets without a frame of their own


def _decode_video(path: Path, size: int | None, expected: int | None, max_frames: int | None) -> tuple[Frames, int]:
    """Decode a whole video and convert the frames to keep: [T, H, W, 3], and the number of all frames.

    Where it shows other than the `expected` number of frames, those that are kept are not evenly spaced.
    """
    wanted = None if expected is None else set(_wanted(expected, max_frames).tolist())
    kept, shown = [], 0
    with open_video(path) as video:
        for frame in video.frames():
            if wanted is None or shown in wanted:
                image = video.upright(frame.frame)
                kept.append(image if size is None else square(image[None], size)[0])
            shown += 1
    return (np.stack(kept) if kept else np.empty((0, 0, 0, 3), np.uint8)), shown


def _wanted(n_frames: int, max_frames: int | None) -> NDArray[np.int64]:
    """Indices of the frames to keep."""
    if max_frames is None or n_frames <= max_frames:
        return np.arange(n_frames)
    return uniform(n_frames, max_frames)


def _decode_images(folder: Path, size: int | None, max_frames: int | None) -> Frames:
    """Read a folder of frame images, as in some data sets: [T, H, W, 3].

    Raises:
        VideoError: the images are not numbered as frames, one does not decode, or their sizes differ.
    """
    images = frame_images(folder)
    frames = []
    for index in _wanted(len(images), max_frames):
        image = cv2.imread(str(images[index]), cv2.IMREAD_COLOR)
        if image is None:
            raise VideoError(f"{images[index]} does not decode; copy the frames again")
        frame = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        frames.append(frame if size is None else square(frame[None], size)[0])
    if len({frame.shape for frame in frames}) > 1:
        raise VideoError(f"the frames of {folder} differ in size; copy them again")
    return np.stack(frames)


def square(frames: Frames, size: int) -> Frames:
    """Resize the short side to `size` pixels and center-crop: [T, H, W, 3] -> [T, size, size, 3]."""
    height, width = frames.shape[1:3]
    scale = size / min(height, width)
    to = (max(size, round(width * scale)), max(size, round(height * scale)))
    top, left = (to[1] - size) // 2, (to[0] - size) // 2
    if to == (width, height):
        return np.ascontiguousarray(frames[:, top : top + size, left : left + size])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.empty((len(frames), size, size, 3), np.uint8)
    for i, frame in enumerate(frames):
        out[i] = cv2.resize(frame, to, interpolation=method)[top : top + size, left : left + size]
    return out


def write_video(path: Path, frames: Frames, fps: float = 25.0, crf: int = 20, preset: str = "veryfast") -> None:
    """Write frames as H.264 in mp4, atomically; equal frames give equal bytes.

    Args:
        path: target, ends in .mp4.
        frames: uint8 [T, H, W, 3] RGB with even H and W (4:2:0 chroma).
        fps: frames per second.
        crf: x264 quality, 0 (lossless) to 51.
        preset: x264's trade-off between speed and size.

    Raises:
        VideoError: there are no frames, a side is odd, or the array has another shape or type.
        GymQAError: the folder cannot be written to.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or len(frames) == 0:
        raise VideoError(f"{path}: frames must be uint8 [T, H, W, 3] with T >= 1, not {frames.dtype} {frames.shape}")
    height, width = frames.shape[1:3]
    with video_writer(path, width, height, fps, crf, preset) as write:
        write(frames)


@contextmanager
def video_writer(
    path: Path, width: int, height: int, fps: float = 25.0, crf: int = 20, preset: str = "veryfast"
) -> Iterator[Callable[[Frames], None]]:
    """Open a video for writing in pieces; yields a function that appends frames [T, H, W, 3].

    Raises:
        VideoError: odd sides.
        GymQAError: the folder cannot be written to.
    """

    if height % 2 or width % 2:
        raise VideoError(f"{path}: H.264 needs even sides, not {width} x {height}; crop or pad by one pixel")
    with atomic_path(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = add_h264_stream(container, Fraction(fps), width, height, crf, preset)

        def write(frames: Frames) -> None:
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))

        yield write
        container.mux(stream.encode(None))


def add_h264_stream(
    container: "OutputContainer", fps: Fraction, width: int, height: int, crf: int = 20, preset: str = "veryfast"
) -> "VideoStream":
    """Add an H.264 stream with the settings of all videos of gymqa: equal frames give equal bytes.

    Args:
        container: an mp4 open for writing.
        fps: frames per second.
        width: pixels, even.
        height: pixels, even.
        crf: x264 quality, 0 (lossless) to 51.
        preset: x264's trade-off between speed and size.
    """
    stream = container.add_stream("libx264", rate=fps.limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.thread_count = 1  # x264's output depends on the number of threads; videos are written in parallel anyway
    # x264's AVX-512 code for macroblock trees is not deterministic; without them all runs are equal
    stream.options = {"crf": str(crf), "preset": preset, "x264-params": "mbtree=0"}
    return stream
