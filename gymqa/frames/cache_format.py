"""File format of a frame cache: index (clips.jsonl) and frame data (frames.bin), as raw or JPEG frames.

The first line of clips.jsonl holds the settings (of frames also `READING`), each other line one clip:
raw    {"clip_id", "slot", "frames", "crc32"}             frames begin at slot × bytes of the longest clip
jpeg   {"clip_id", "offset", "bytes", "frames", "crc32"}
flow   either, and "of": the CRC-32 of the frames that the flow was computed from
"""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, channels
from gymqa.frames.sampling import Indices
from gymqa.frames.video import Frames
from gymqa.io.console import track
from gymqa.io.files import write_text
from gymqa.runtime.choices import require_choices

FrameFormat = Literal["raw", "jpeg"]
Bytes = NDArray[np.uint8]  # [n]
DATA, INDEX = "frames.bin", "clips.jsonl"
READING = 2  # increased when the same video may give other frames


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Settings of a frame cache.

    Attributes:
        size: side of the square frames, pixels.
        max_frames: frames kept of a longer clip.
        format: storage format of the frames.
        modality: rgb, or flow with two channels.
        method: method of the optical flow; "" for rgb.
        reading: the `READING` that decoded the frames.
    """

    size: int
    max_frames: int
    format: FrameFormat = "raw"
    modality: Modality = "rgb"
    method: str = ""
    reading: int = READING

    def __post_init__(self) -> None:
        require_choices(self)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return channels(self.modality)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a raw frame."""
        return self.size**2 * self.channels

    @property
    def clip_bytes(self) -> int:
        """Bytes of the longest raw clip."""
        return self.max_frames * self.frame_bytes

    @property
    def content(self) -> dict[str, Any]:
        """Modality and method if the frames are not RGB; a cache without them holds RGB."""
        return {} if self.modality == "rgb" else {"modality": self.modality, "method": self.method}

    def __str__(self) -> str:
        shown = "".join(f", {name} {value}" for name, value in self.content.items())
        return f"size {self.size}, max_frames {self.max_frames}, format {self.format}{shown}"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One clip's offset and size in frames.bin, in bytes, or the reason why it is not there.

    `source_crc32` is the CRC-32 of the frames that flow was computed from; None for frames themselves.
    """

    clip_id: str
    offset: int = 0
    bytes: int = 0
    frames: int = 0
    crc32: int = 0
    failure: str | None = None
    source_crc32: int | None = None


def mapped(folder: Path) -> Bytes:
    """The cache's file as a memory-mapped array [n], shared by processes."""
    path = folder / DATA
    if not path.exists() or path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r"))


def end_of(entries: Iterable[IndexEntry], settings: CacheSettings) -> int:
    """The byte after the last of these clips, including the unused part of a raw slot."""
    slot_bytes = settings.clip_bytes if settings.format == "raw" else 0
    return max((entry.offset + max(slot_bytes, entry.bytes) for entry in entries), default=0)


def damaged(data: Bytes, entries: Iterable[IndexEntry]) -> list[str]:
    """Ids of clips whose bytes do not match their CRC-32."""
    entries = list(entries)
    return [
        entry.clip_id
        for entry in track(entries, "checking clips", len(entries))
        if zlib.crc32(data[entry.offset : entry.offset + entry.bytes].data) != entry.crc32
    ]


def lines_of(entries: Iterable[IndexEntry], settings: CacheSettings) -> str:
    """The index lines of these clips."""
    return "".join(json.dumps(_to_line(entry, settings)) + "\n" for entry in entries)


def write_index(folder: Path, settings: CacheSettings, entries: Iterable[IndexEntry]) -> None:
    """Write the complete index, atomically."""
    kept = {"size": settings.size, "max_frames": settings.max_frames, "format": settings.format, **settings.content}
    if settings.modality == "rgb":
        kept["reading"] = settings.reading
    write_text(folder / INDEX, json.dumps(kept) + "\n" + lines_of(entries, settings))


def read_index(folder: Path) -> tuple[CacheSettings | None, list[IndexEntry]]:
    """Settings (None without a cache) and entries of an index; an incomplete last line is ignored.

    Raises:
        GymQAError: the index is damaged or cannot be read.
    """
    path = folder / INDEX
    if not path.exists():
        return None, []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # drop an incomplete last line
        values = [json.loads(line) for line in lines]
        settings = _parse_settings(values[0])
        entries = [_from_line(value, settings) for value in values[1:]]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise GymQAError(f"{path} is damaged; remove the folder and build the frame cache again") from error
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    return settings, list({entry.clip_id: entry for entry in entries}.values())


def _parse_settings(value: dict[str, Any]) -> CacheSettings:
    """Parse the settings in the first line."""
    modality, method = value.get("modality", "rgb"), str(value.get("method", ""))
    reading = int(value.get("reading", 1)) if modality == "rgb" else READING
    size, max_frames = int(value["size"]), int(value["max_frames"])
    settings = CacheSettings(size, max_frames, value.get("format", "raw"), modality, method, reading)
    if settings.format not in get_args(FrameFormat) or settings.modality not in ("rgb", "flow"):
        raise ValueError(f"{settings.format} {settings.modality}")
    return settings


def _to_line(entry: IndexEntry, settings: CacheSettings) -> dict[str, Any]:
    """An entry as the JSON object of its index line."""
    if entry.failure is not None:
        return {"clip_id": entry.clip_id, "failure": entry.failure}
    if settings.format == "raw":
        position = {"slot": entry.offset // settings.clip_bytes}
    else:
        position = {"offset": entry.offset, "bytes": entry.bytes}
    of = {} if entry.source_crc32 is None else {"of": entry.source_crc32}
    return {"clip_id": entry.clip_id, **position, "frames": entry.frames, "crc32": entry.crc32, **of}


def _from_line(value: dict[str, Any], settings: CacheSettings) -> IndexEntry:
    """Parse the JSON object of an index line."""
    if value.get("failure") is not None:
        return IndexEntry(str(value["clip_id"]), failure=str(value["failure"]))
    frames = int(value["frames"])
    if settings.format == "raw":
        offset, size = int(value["slot"]) * settings.clip_bytes, frames * settings.frame_bytes
    else:
        offset, size = int(value["offset"]), int(value["bytes"])
    if min(offset, frames - 1, size) < 0 or frames > settings.max_frames:
        raise ValueError(f"{value} is not an entry of a cache")
    of = int(value["of"]) if "of" in value else None
    return IndexEntry(str(value["clip_id"]), offset, size, frames, int(value["crc32"]), source_crc32=of)


JPEG_QUALITY = 95  # of 100


class StoredFrames(Protocol):
    """Frames stored in a cache's file."""

    def take(self, clips: Sequence[IndexEntry], indices: Indices) -> NDArray[np.uint8]:
        """Selected frames of some clips: indices [B, N] -> uint8 [B, N, S, S, C]."""
        ...


class RawFrames:
    """Frames stored uncompressed.

    Args:
        data: the mapped file.
        settings: the cache's settings.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._clip_bytes = settings.clip_bytes
        slots = len(data) // settings.clip_bytes
        shape = (slots, settings.max_frames, settings.size, settings.size, settings.channels)
        self._frames = data[: slots * settings.clip_bytes].reshape(shape)

    def take(self, clips: Sequence[IndexEntry], indices: Indices) -> NDArray[np.uint8]:
        """Selected frames of some clips: indices [B, N] -> uint8 [B, N, S, S, C]."""
        slots = np.array([clip.offset // self._clip_bytes for clip in clips], np.int64)
        return self._frames[slots[:, None], indices]


class JpegFrames:
    """Frames stored as JPEG images, decoded on access.

    Args:
        data: the mapped file.
        settings: the cache's settings.
    """

    def __init__(self, data: Bytes, settings: CacheSettings) -> None:
        self._data, self._settings = data, settings

    def take(self, clips: Sequence[IndexEntry], indices: Indices) -> NDArray[np.uint8]:
        """Selected frames of some clips: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a JPEG image is damaged.
        """
        size = self._settings.size
        out = np.empty((*indices.shape, size, size, self._settings.channels), np.uint8)
        for row, (clip, chosen) in enumerate(zip(clips, indices, strict=True)):
            wanted, inverse = np.unique(chosen, return_inverse=True)  # a short clip's frames are repeated
            out[row] = self._decode(clip, wanted)[inverse]
        return out

    def _decode(self, clip: IndexEntry, wanted: Indices) -> Frames:
        """Distinct frames of one clip: wanted [n] -> uint8 [n, S, S, C]."""
        record = self._data[clip.offset : clip.offset + clip.bytes]
        first = 4 * clip.frames
        ends = first + np.concatenate(([0], record[:first].view("<u4"))).astype(np.int64)
        size, channels = self._settings.size, self._settings.channels
        frames = np.empty((len(wanted), size, size, channels), np.uint8)
        for position, number in enumerate(wanted):
            image = record[ends[number] : ends[number + 1]]
            frame = _decode_jpeg(image, channels) if len(image) else None
            if frame is None or frame.shape != frames.shape[1:]:
                raise GymQAError(
                    f"frame {number} of clip {clip.clip_id} is damaged in the frame cache; "
                    "run `gymqa cache` with --verify to repair it"
                )
            frames[position] = frame
        return frames


def _decode_jpeg(image: Bytes, channels: int) -> Frames | None:
    """Decode a JPEG image to a frame [S, S, C]; None if it does not decode."""
    if channels == 3:
        frame = cv2.imdecode(image, cv2.IMREAD_COLOR_RGB)
        return None if frame is None else np.asarray(frame, np.uint8)
    stacked = cv2.imdecode(image, cv2.IMREAD_GRAYSCALE)
    if stacked is None or len(stacked) % channels:
        return None
    return np.stack(np.split(np.asarray(stacked, np.uint8), channels), -1)


def _to_opencv_image(frame: Frames) -> NDArray[Any]:
    """A frame [S, S, C] as OpenCV encodes it: BGR, or its channels stacked vertically in one grey image."""
    if frame.shape[-1] == 3:
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return np.concatenate(list(np.moveaxis(frame, -1, 0)))


def pack(frames: Frames, settings: CacheSettings) -> bytes:
    """Encode a clip's frames [t, S, S, C] in the cache's format."""
    if settings.format == "raw":
        return frames.tobytes()
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    images = [cv2.imencode(".jpg", _to_opencv_image(frame), quality)[1].tobytes() for frame in frames]
    ends = np.cumsum([len(image) for image in images]).astype("<u4")
    return b"".join([ends.tobytes(), *images])


def stored_frames(data: Bytes, settings: CacheSettings) -> StoredFrames:
    """Reader of the frames in a cache's file, by its format."""
    return RawFrames(data, settings) if settings.format == "raw" else JpegFrames(data, settings)
