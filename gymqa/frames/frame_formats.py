"""How frames lie in a frame cache's file: raw, or as JPEG pictures.

raw    uint8 [max_frames, S, S, C] for each clip; what a shorter clip leaves over is a hole in the file
jpeg   for each clip the end of every picture, uint32 little-endian [t], then the pictures one after the other;
       the two channels of flow are one grey picture, y below x
"""

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.cache_format import Bytes, Cached, CacheSettings
from gymqa.frames.sampling import Indices
from gymqa.frames.video import Frames

JPEG_QUALITY = 95  # of 100


class StoredFrames(Protocol):
    """The frames of a cache's file."""

    def take(self, clips: Sequence[Cached], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of some clips: indices [B, N] -> uint8 [B, N, S, S, C]."""
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
        shape = (slots, settings.max_frames, settings.size, settings.size, settings.channels)
        self._frames = data[: slots * settings.clip_bytes].reshape(shape)

    def take(self, clips: Sequence[Cached], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of some clips: indices [B, N] -> uint8 [B, N, S, S, C]."""
        slots = np.array([clip.offset // self._clip_bytes for clip in clips], np.int64)
        return self._frames[slots[:, None], indices]


class JpegFrames:
    """Frames as JPEG pictures, decoded when they are taken.

    Args:
        data: the file.
        settings: the cache's.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._data, self._settings = data, settings

    def take(self, clips: Sequence[Cached], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of some clips: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a picture is damaged.
        """
        size = self._settings.size
        out = np.empty((*indices.shape, size, size, self._settings.channels), np.uint8)
        for row, (clip, chosen) in enumerate(zip(clips, indices, strict=True)):
            wanted, places = np.unique(chosen, return_inverse=True)  # a short clip's frames come more than once
            out[row] = self._decode(clip, wanted)[places]
        return out

    def _decode(self, clip: Cached, wanted: Indices) -> Frames:
        """Different frames of one clip: wanted [n] -> uint8 [n, S, S, C]."""
        record = self._data[clip.offset : clip.offset + clip.bytes]
        first = 4 * clip.frames
        ends = first + np.concatenate(([0], record[:first].view("<u4"))).astype(np.int64)
        size, channels = self._settings.size, self._settings.channels
        frames = np.empty((len(wanted), size, size, channels), np.uint8)
        for place, number in enumerate(wanted):
            picture = record[ends[number] : ends[number + 1]]
            frame = _read_picture(picture, channels) if len(picture) else None
            if frame is None or frame.shape != frames.shape[1:]:
                raise GymQAError(
                    f"frame {number} of clip {clip.clip_id} is damaged in the frame cache; "
                    "`gymqa cache` with --verify mends it"
                )
            frames[place] = frame
        return frames


def _read_picture(picture: Bytes, channels: int) -> Frames | None:
    """A JPEG picture as a frame [S, S, C]; None where it does not decode."""
    if channels == 3:
        frame = cv2.imdecode(picture, cv2.IMREAD_COLOR_RGB)
        return None if frame is None else np.asarray(frame, np.uint8)
    grey = cv2.imdecode(picture, cv2.IMREAD_GRAYSCALE)
    if grey is None or len(grey) % channels:
        return None
    return np.stack(np.split(np.asarray(grey, np.uint8), channels), -1)


def _as_picture(frame: Frames) -> NDArray[Any]:
    """A frame [S, S, C] as OpenCV writes it: BGR, or its channels one below the other in grey."""
    if frame.shape[-1] == 3:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return np.concatenate(list(np.moveaxis(frame, -1, 0)))


def pack(frames: Frames, settings: CacheSettings) -> bytes:
    """A clip's frames [t, S, S, C] as they are written."""
    if settings.format == "raw":
        return frames.tobytes()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    pictures = [cv2.imencode(".jpg", _as_picture(frame), quality)[1].tobytes() for frame in frames]
    ends = np.cumsum([len(picture) for picture in pictures]).astype("<u4")
    return b"".join([ends.tobytes(), *pictures])


def stored_frames(data: Bytes, settings: CacheSettings) -> StoredFrames:
    """The frames of a cache's file, whatever its format."""
    return RawFrames(data, settings) if settings.format == "raw" else JpegFrames(data, settings)
