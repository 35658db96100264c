"""Stream the frames of a long video at a fixed frame rate, in chunks, with constant memory.

Frame k is the one shown at second (k + ½) / fps of the container, so that videos of variable frame rate are sampled
correctly, and second 0 is the one of `gymqa.download.cutting`. Before a video's first frame, that frame is repeated.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.reading import Image, ShownFrame, open_video
from gymqa.frames.video import CHUNK, Frames, square


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
    chunk: list[Image] = []
    for image, times in _shown(path, fps, size):
        chunk += [image] * times
        while len(chunk) >= CHUNK:
            yield np.stack(chunk[:CHUNK])
            chunk = chunk[CHUNK:]
    if chunk:
        yield np.stack(chunk)


def _shown(path: Path, fps: float, size: int) -> Iterator[tuple[Image, int]]:
    """Yield the frames that are shown at the rate as squares, and how often each."""
    seen, last = 0, None
    with open_video(path, threads=0) as video:

        def converted(shown: ShownFrame) -> Image:
            return square(video.upright(shown.frame)[None], size)[0]

        for shown in video.frames():
            if last is not None and (until := _count(shown.time, fps)) > seen:
                yield converted(last), until - seen
                seen = until
            last = shown
        if last is not None:
            yield converted(last), max(_count(last.time + last.duration, fps) - seen, 0 if seen else 1)


def _count(time: float, fps: float) -> int:
    """Number of the seconds (k + ½) / fps before `time`."""
    return max(0, math.ceil(time * fps - 0.5 - 1e-6))
