"""Decode videos or image folders to frames; write frames as H.264 videos (PyAV)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import av
import cv2
import numpy as np

from gymqa.frames.decord_reading import proven_reader, read
from gymqa.frames.image_folder import frame_images
from gymqa.frames.reading import Frames, VideoError, open_video
from gymqa.frames.sampling import ClipTimes, kept
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
    frames = _decode_clip(path, size, max_frames, decoder).frames
    return frames if size is None else np.ascontiguousarray(center_square(frames))


@dataclass(frozen=True, slots=True)
class DecodedClip:
    """Kept frames of a clip, uint8 [t, H, W, 3] RGB, and their times; None for images of no known rate."""

    frames: Frames
    times: ClipTimes | None


def decode_clip(
    path: Path, size: int, max_frames: int, decoder: Decoder = "pyav", image_fps: float | None = None
) -> DecodedClip:
    """Decode whole frames with their times.

    Args:
        path: as of `decode`.
        size: pixels of the short side.
        max_frames: keep at most this many frames, evenly spaced.
        decoder: as of `decode`.
        image_fps: frames per second of a folder of images.

    Raises:
        VideoError: the file is missing, empty, or does not decode to its end.
    """
    return _decode_clip(path, size, max_frames, decoder, image_fps)


def _decode_clip(
    path: Path, size: int | None, max_frames: int | None, decoder: Decoder, image_fps: float | None = None
) -> DecodedClip:
    """Decode whole frames with their times, in their own size where none is given."""
    if path.is_dir():
        return _decode_images(path, size, max_frames, image_fps)
    if decoder == "decord" and (proven := proven_reader(path)) is not None:
        numbers = kept(len(proven.stamps), max_frames)
        frames = read(proven.reader, path, numbers)
        seconds = proven.stamps - proven.stamps[0]
        times = ClipTimes.of(proven.fps, seconds[-1] + 1 / proven.fps, len(seconds), seconds[numbers].tolist())
        return DecodedClip(frames if size is None else resized(frames, size), times)
    if max_frames is None:
        return _decode_video(path, size, None, None)
    with open_video(path) as video:
        expected = sum(not packet.is_discard for packet in video.packets())  # for most codecs the number of frames
    clip = _decode_video(path, size, expected, max_frames)
    shown = expected if clip.times is None else clip.times.source_frames
    if shown == expected:
        return clip
    return _decode_video(path, size, shown, max_frames)  # packets without a frame of their own


def _decode_video(path: Path, size: int | None, expected: int | None, max_frames: int | None) -> DecodedClip:
    """Decode a whole video and convert the frames to keep.

    Where it shows other than the `expected` number of frames, those that are kept are not evenly spaced.
    """
    wanted = None if expected is None else set(kept(expected, max_frames).tolist())
    images, seconds, shown, first, end = [], [], 0, 0.0, 0.0
    with open_video(path) as video:
        for frame in video.frames():
            first = frame.time if shown == 0 else first
            end = frame.time - first + frame.duration
            if wanted is None or shown in wanted:
                image = video.upright(frame.frame)
                images.append(image if size is None else resized(image[None], size)[0])
                seconds.append(frame.time - first)
            shown += 1
        fps = float(video.fps)
    frames = np.stack(images) if images else np.empty((0, 0, 0, 3), np.uint8)
    return DecodedClip(frames, ClipTimes.of(fps, end, shown, seconds))


def _decode_images(folder: Path, size: int | None, max_frames: int | None, fps: float | None) -> DecodedClip:
    """Read a folder of frame images, as in some data sets.

    Raises:
        VideoError: the images are not numbered as frames, one does not decode, or their sizes differ.
    """
    images = frame_images(folder)
    numbers = kept(len(images), max_frames)
    frames = []
    for index in numbers:
        image = cv2.imread(str(images[index]), cv2.IMREAD_COLOR)
        if image is None:
            raise VideoError(f"{images[index]} does not decode; copy the frames again")
        frame = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        frames.append(frame if size is None else resized(frame[None], size)[0])
    if len({frame.shape for frame in frames}) > 1:
        raise VideoError(f"the frames of {folder} differ in size; copy them again")
    times = None if fps is None else ClipTimes(fps, len(images) / fps, len(images), len(numbers))
    return DecodedClip(np.stack(frames), times)


def square(frames: Frames, size: int) -> Frames:
    """Resize the short side to `size` pixels and center-crop: [T, H, W, 3] -> [T, size, size, 3]."""
    return np.ascontiguousarray(center_square(resized(frames, size)))


def center_square(frames: Frames) -> Frames:
    """The middle square of frames: [T, H, W, C] -> a view [T, S, S, C], S the shorter of H and W."""
    height, width = frames.shape[1:3]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    return frames[:, top : top + size, left : left + size]


def resized(frames: Frames, size: int) -> Frames:
    """Resize the short side to `size` pixels and keep the aspect: [T, H, W, 3] -> [T, H', W', 3]."""
    height, width = frames.shape[1:3]
    scale = size / min(height, width)
    to = (max(size, round(width * scale)), max(size, round(height * scale)))
    if to == (width, height):
        return frames
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    out = np.empty((len(frames), to[1], to[0], 3), np.uint8)
    for i, frame in enumerate(frames):
        out[i] = cv2.resize(frame, to, interpolation=method)
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
