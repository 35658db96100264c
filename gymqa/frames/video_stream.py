"""Stream the frames of a long video at a fixed frame rate, in chunks, with constant memory.

Frame k is the one shown at second (k + ½) / fps according to the frames' timestamps, so that videos of variable frame
rate are sampled correctly. The first frame is second 0, as in `gymqa.download.cutting`.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.video import CHUNK, Frames, VideoError, square

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


def frames_at(path: Path, fps: float, size: int) -> Iterator[Frames]:
    """Yield a video's frames at a rate, at most `CHUNK` at a time.

    Args:
        path: a video file.
        fps: frames per second to yield; frames of a video with fewer are repeated.
        size: pixels; the short side is resized to it, then center-cropped to a square.

    Yields:
        uint8 [n, size, size, 3], RGB, 1 <= n <= CHUNK.

    Raises:
        VideoError: the file is missing, holds no video, or a frame does not decode.
        GymQAError: the rate or size is not positive.
    """
    if not 0 < fps < math.inf or size < 1:
        raise GymQAError(f"frames of {size} pixels cannot be sampled {fps} times per second; both must be above 0")
    if not path.is_file():
        raise VideoError(f"{path} does not exist; check the path of the video")
    chunk: list[Frames] = []
    for frame, times in _shown(path, fps):
        chunk += [square(_upright(frame)[None], size)[0]] * times
        while len(chunk) >= CHUNK:
            yield np.stack(chunk[:CHUNK])
            chunk = chunk[CHUNK:]
    if chunk:
        yield np.stack(chunk)


def _shown(path: Path, fps: float) -> Iterator[tuple["VideoFrame", int]]:
    """Yield the frames that are shown at the rate, and how often each."""
    seen, last, time, length = 0, None, 0.0, 0.0
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = next(iter(container.streams.video), None)
            if stream is None:
                raise VideoError(f"{path} holds no video; copy it again")
            stream.thread_type, length = "AUTO", _frame_seconds(stream)
            first = 0.0
            for frame in container.decode(stream):
                if frame.is_corrupt or frame.time is None:
                    raise VideoError(f"{path} does not decode after {time:.2f} s; copy the video again")
                first = frame.time if last is None else first
                time = frame.time - first
                if last is not None and (until := _count(time, fps)) > seen:
                    yield last, until - seen
                    seen = until
                last = frame
            if last is None:
                raise VideoError(f"{path} holds no frames; copy the video again")
            yield last, max(_count(time + length, fps) - seen, 0 if seen else 1)
    except av.FFmpegError as error:
        raise VideoError(f"{path} does not decode after {time:.2f} s; copy the video again") from error


def _count(time: float, fps: float) -> int:
    """Number of the seconds (k + ½) / fps before `time`."""
    return max(0, math.ceil(time * fps - 0.5 - 1e-6))


def _frame_seconds(stream: "VideoStream") -> float:
    """How long a frame of a stream is shown, in seconds."""
    rate = stream.average_rate or stream.guessed_rate
    return float(1 / rate) if rate else 0.0


def _upright(frame: "VideoFrame") -> Frames:
    """A frame's pixels [H, W, 3], rotated according to the file's metadata."""
    turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return np.ascontiguousarray(turned, np.uint8)
