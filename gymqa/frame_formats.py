"""How frames lie in a frame cache's file: raw, or as JPEG pictures.

raw    uint8 [max_frames, S, S, 3] for each clip; what a shorter clip leaves over is a hole in the file
jpeg   for each clip the end of every picture, uint32 little-endian [t], then the pictures one after the other
"""

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frame_index import Bytes, Cached, CacheSettings
from gymqa.sampling import Indices
from gymqa.video import Frames

JPEG_QUALITY = 95  # of 100


class StoredFrames(Protocol):
    """The frames of a cache's file."""

    def take(self, clips: Sequence[Cached], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of some clips: indices [B, N] -> uint8 [B, N, S, S, 3]."""
        ...


class RawFrames:
    """Frames as they are.

    Args:
        data: the file.
        settings: the cache's.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._clip_bytes = settings.clip_bytes
        slots = len(data) // settings.clip_bytes
        shape = (slots, settings.max_frames, settings.size, settings.size, 3)
        self._frames = data[: slots * settings.clip_bytes].reshape(shape)

    def take(self, clips: Sequence[Cached], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of some clips: indices [B, N] -> uint8 [B, N, S, S, 3]."""
        slots = np.array([clip.offset // self._clip_bytes for clip in clips], np.int64)
        return self._frames[slots[:, None], indices]


class JpegFrames:
    """Frames as JPEG pictures, decoded when they are taken.

    Args:
        data: the file.
        settings: the cache's.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._data, self._size = data, settings.size

    def take(self, clips: Sequence[Cached], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of some clips: indices [B, N] -> uint8 [B, N, S, S, 3].

        Raises:
            GymQAError: a picture is damaged.
        """
        out = np.empty((*indices.shape, self._size, self._size, 3), np.uint8)
        for row, (clip, chosen) in enumerate(zip(clips, indices, strict=True)):
            wanted, places = np.unique(chosen, return_inverse=True)  # a short clip's frames come more than once
            out[row] = self._decode(clip, wanted)[places]
        return out

    def _decode(self, clip: Cached, wanted: Indices) -> Frames:
        """Different frames of one clip: wanted [n] -> uint8 [n, S, S, 3]."""
        record = self._data[clip.offset : clip.offset + clip.bytes]
        first = 4 * clip.frames
        ends = first + np.concatenate(([0], record[:first].view("<u4"))).astype(np.int64)
        frames = np.empty((len(wanted), self._size, self._size, 3), np.uint8)
        for place, number in enumerate(wanted):
            picture = record[ends[number] : ends[number + 1]]
            frame = cv2.imdecode(picture, cv2.IMREAD_COLOR_RGB) if len(picture) else None
            if frame is None or frame.shape != frames.shape[1:]:
                raise GymQAError(
                    f"frame {number} of clip {clip.clip_id} is damaged in the frame cache; "
                    "`gymqa cache` with --verify mends it"
                )
            frames[place] = frame
        return frames


def pack(frames: Frames, settings: CacheSettings) -> bytes:
    """A clip's frames [t, S, S, 3] as they are written."""
    if settings.format == "raw":
        return frames.tobytes()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    pictures = [cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), quality)[1].tobytes() for frame in frames]
    ends = np.cumsum([len(picture) for picture in pictures]).astype("<u4")
    return b"".join([ends.tobytes(), *pictures])


def stored_frames(data: Bytes, settings: CacheSettings) -> StoredFrames:
    """The frames of a cache's file, whatever its format."""
    return RawFrames(data, settings) if settings.format == "raw" else JpegFrames(data, settings)
