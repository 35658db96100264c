"""The frames of a cache's file, frames.bin, uncompressed or as JPEG images: center squares, and the rest around them.

Recognizers read squares, models of images and text whole frames. So a clip's squares stand first, as if nothing else
were there; behind them, where its frames are not square, come their margins: of each frame the two strips left and
right of the square, or above and below it, side by side.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.cache_format import Bytes, CacheSettings, IndexEntry
from gymqa.frames.sampling import Indices
from gymqa.frames.video import Frames

JPEG_QUALITY = 95  # of 100


class StoredFrames(Protocol):
    """Frames stored in a cache's file."""

    def take(self, clips: Sequence[IndexEntry], indices: Indices) -> NDArray[np.uint8]:
        """Center squares of some clips' frames: indices [B, N] -> uint8 [B, N, S, S, C]."""
        ...

    def whole(self, clip: IndexEntry, indices: Indices) -> Frames:
        """Whole frames of one clip: indices [N] -> uint8 [N, H, W, C]."""
        ...


class RawFrames:
    """Frames stored uncompressed.

    Args:
        data: the mapped file.
        settings: the cache's settings.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._data, self._settings, self._clip_bytes = data, settings, settings.clip_bytes
        slots = len(data) // settings.clip_bytes
        shape = (slots, settings.max_frames, settings.size, settings.size, settings.channels)
        self._frames = data[: slots * settings.clip_bytes].reshape(shape)

    def take(self, clips: Sequence[IndexEntry], indices: Indices) -> NDArray[np.uint8]:
        """Center squares of some clips' frames: indices [B, N] -> uint8 [B, N, S, S, C]."""
        slots = np.array([clip.offset // self._clip_bytes for clip in clips], np.int64)
        return self._frames[slots[:, None], indices]

    def whole(self, clip: IndexEntry, indices: Indices) -> Frames:
        """Whole frames of one clip: indices [N] -> uint8 [N, H, W, C]."""
        squares = self.take([clip], indices[None])[0]
        if clip.height == clip.width:
            return squares
        shape = (clip.frames, *_margins_shape(clip), self._settings.channels)
        margins = self._data[clip.offset + clip.frames * self._settings.frame_bytes : clip.offset + clip.bytes]
        return _joined(squares, margins.reshape(shape)[indices], clip)


class JpegFrames:
    """Frames stored as JPEG images, decoded on access.

    Args:
        data: the mapped file.
        settings: the cache's settings.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._data, self._settings = data, settings

    def take(self, clips: Sequence[IndexEntry], indices: Indices) -> NDArray[np.uint8]:
        """Center squares of some clips' frames: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a JPEG image is damaged.
        """
        size = self._settings.size
        out = np.empty((*indices.shape, size, size, self._settings.channels), np.uint8)
        for row, (clip, chosen) in enumerate(zip(clips, indices, strict=True)):
            wanted, inverse = np.unique(chosen, return_inverse=True)  # a short clip's frames are repeated
            out[row] = self._decode(clip, wanted, (size, size))[inverse]
        return out

    def whole(self, clip: IndexEntry, indices: Indices) -> Frames:
        """Whole frames of one clip: indices [N] -> uint8 [N, H, W, C].

        Raises:
            GymQAError: a JPEG image is damaged.
        """
        squares = self.take([clip], indices[None])[0]
        if clip.height == clip.width:
            return squares
        wanted, inverse = np.unique(indices, return_inverse=True)
        margins = self._decode(clip, wanted, _margins_shape(clip), clip.frames)[inverse]
        return _joined(squares, margins, clip)

    def _decode(self, clip: IndexEntry, wanted: Indices, shape: tuple[int, int], first: int = 0) -> Frames:
        """Images number `first` + wanted [n] of one clip, of a shape in pixels -> uint8 [n, *shape, C]."""
        record = self._data[clip.offset : clip.offset + clip.bytes]
        begin = 4 * clip.frames * (1 if clip.height == clip.width else 2)
        ends = begin + np.concatenate(([0], record[:begin].view("<u4"))).astype(np.int64)
        frames = np.empty((len(wanted), *shape, self._settings.channels), np.uint8)
        for position, number in enumerate(wanted):
            image = record[ends[first + number] : ends[first + number + 1]]
            frame = _decode_jpeg(image, self._settings.channels) if len(image) else None
            if frame is None or frame.shape != frames.shape[1:]:
                raise GymQAError(
                    f"frame {number} of clip {clip.clip_id} is damaged in the frame cache; "
                    "run `gymqa cache` with --verify to repair it"
                )
            frames[position] = frame
        return frames


def _decode_jpeg(image: Bytes, channels: int) -> Frames | None:
    """Decode a JPEG image to a frame [H, W, C]; None if it does not decode."""
    if channels == 3:
        frame = cv2.imdecode(image, cv2.IMREAD_COLOR_RGB)
        return None if frame is None else np.asarray(frame, np.uint8)
    stacked = cv2.imdecode(image, cv2.IMREAD_GRAYSCALE)
    if stacked is None or len(stacked) % channels:
        return None
    return np.stack(np.split(np.asarray(stacked, np.uint8), channels), -1)


def _to_opencv_image(frame: Frames) -> NDArray[Any]:
    """A frame [H, W, C] as OpenCV encodes it: BGR, or its channels stacked vertically in one grey image."""
    if frame.shape[-1] == 3:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return np.concatenate(list(np.moveaxis(frame, -1, 0)))


def pack(frames: Frames, settings: CacheSettings) -> bytes:
    """Encode a clip's frames [t, H, W, C], of the settings' short side, in the cache's format."""
    parts = _parted(frames)
    if settings.format == "raw":
        return b"".join(part.tobytes() for part in parts)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    images = [cv2.imencode(".jpg", _to_opencv_image(frame), quality)[1].tobytes() for part in parts for frame in part]
    ends = np.cumsum([len(image) for image in images]).astype("<u4")
    return b"".join([ends.tobytes(), *images])


def stored_frames(data: Bytes, settings: CacheSettings) -> StoredFrames:
    """Reader of the frames in a cache's file, by its format."""
    return RawFrames(data, settings) if settings.format == "raw" else JpegFrames(data, settings)


def _parted(frames: Frames) -> list[Frames]:
    """Frames [t, H, W, C] as center squares [t, S, S, C], and their margins where there are any."""
    height, width = frames.shape[1:3]
    size, axis = min(height, width), 2 if width > height else 1
    first = (max(height, width) - size) // 2
    before, squares, after = np.split(frames, (first, first + size), axis)
    return [squares] if height == width else [squares, np.concatenate([before, after], axis)]


def _joined(squares: Frames, margins: Frames, clip: IndexEntry) -> Frames:
    """Whole frames [N, H, W, C] of a clip that is not square from squares [N, S, S, C] and margins."""
    axis = 2 if clip.width > clip.height else 1
    first = (max(clip.height, clip.width) - squares.shape[1]) // 2
    before, after = np.split(margins, (first,), axis)
    return np.concatenate([before, squares, after], axis)


def _margins_shape(clip: IndexEntry) -> tuple[int, int]:
    """Height and width in pixels of the margins of a clip's frame."""
    size = min(clip.height, clip.width)
    return (clip.height, clip.width - size) if clip.width > clip.height else (clip.height - size, clip.width)
