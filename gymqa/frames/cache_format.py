"""What is in a frame cache: clips.jsonl holds the settings, then a line for each clip: where it lies in frames.bin.

raw    {"clip_id", "slot", "frames", "crc32"}             frames begin at slot × bytes of the longest clip
jpeg   {"clip_id", "offset", "bytes", "frames", "crc32"}
flow   either, and "of": the CRC-32 of the frames that it was computed from
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


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """What a frame cache holds of every clip.

    Attributes:
        size: side of the square frames, pixels.
        max_frames: frames kept of a longer clip.
        format: how frames are kept.
        modality: rgb, or flow, of two channels.
        method: how flow was computed; "" for rgb.
    """

    size: int
    max_frames: int
    format: FrameFormat = "raw"
    modality: Modality = "rgb"
    method: str = ""

    def __post_init__(self) -> None:
        require_choices(self)

    @property
    def channels(self) -> int:
        """Numbers of a pixel."""
        return channels(self.modality)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame, raw."""
        return self.size**2 * self.channels

    @property
    def clip_bytes(self) -> int:
        """Bytes of the longest clip, raw."""
        return self.max_frames * self.frame_bytes

    @property
    def content(self) -> dict[str, Any]:
        """What the frames show, where that is not colours; a cache that does not say is of colours."""
        return {} if self.modality == "rgb" else {"modality": self.modality, "method": self.method}

    def __str__(self) -> str:
        shown = "".join(f", {name} {value}" for name, value in self.content.items())
        return f"size {self.size}, max_frames {self.max_frames}, format {self.format}{shown}"


@dataclass(frozen=True, slots=True)
class Cached:
    """One clip's place in frames.bin (first byte, number of bytes), or why it has none.

    `of` is the CRC-32 of the frames that flow was computed from; None of frames themselves.
    """

    clip_id: str
    offset: int = 0
    bytes: int = 0
    frames: int = 0
    crc32: int = 0
    failure: str | None = None
    of: int | None = None


def mapped(folder: Path) -> Bytes:
    """The cache's file as an array [n] that the system reads in where it is looked at; processes share it."""
    path = folder / DATA
    if not path.exists() or path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r"))


def end_of(entries: Iterable[Cached], settings: CacheSettings) -> int:
    """Where in the file the last of these clips ends, with what a raw clip leaves over."""
    whole = settings.clip_bytes if settings.format == "raw" else 0
    return max((entry.offset + max(whole, entry.bytes) for entry in entries), default=0)


def damaged(data: Bytes, entries: Iterable[Cached]) -> list[str]:
    """Clips whose bytes do not have the CRC-32 they were written with."""
    entries = list(entries)
    return [
        entry.clip_id
        for entry in track(entries, "checking clips", len(entries))
        if zlib.crc32(data[entry.offset : entry.offset + entry.bytes].data) != entry.crc32
    ]


def lines_of(entries: Iterable[Cached], settings: CacheSettings) -> str:
    """The index lines of some clips."""
    return "".join(json.dumps(_to_line(entry, settings)) + "\n" for entry in entries)


def write_index(folder: Path, settings: CacheSettings, entries: Iterable[Cached]) -> None:
    """Write the whole index, or leave the old one as it is."""
    kept = {"size": settings.size, "max_frames": settings.max_frames, "format": settings.format, **settings.content}
    write_text(folder / INDEX, json.dumps(kept) + "\n" + lines_of(entries, settings))


def read_index(folder: Path) -> tuple[CacheSettings | None, list[Cached]]:
    """The settings (None without a cache) and the clips of an index; a line cut short by a stop is left out.

    Raises:
        GymQAError: the index is not one of ours, or cannot be read.
    """
    path = folder / INDEX
    if not path.exists():
        return None, []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last newline is half a line
        values = [json.loads(line) for line in lines]
        settings = _settings(values[0])
        entries = [_from_line(value, settings) for value in values[1:]]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise GymQAError(f"{path} is damaged; remove the folder and build the frame cache again") from error
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}; check its rights") from error
    return settings, list({entry.clip_id: entry for entry in entries}.values())


def _settings(value: dict[str, Any]) -> CacheSettings:
    """The settings from the first line."""
    settings = CacheSettings(
        int(value["size"]),
        int(value["max_frames"]),
        value.get("format", "raw"),
        value.get("modality", "rgb"),
        str(value.get("method", "")),
    )
    if settings.format not in get_args(FrameFormat) or settings.modality not in ("rgb", "flow"):
        raise ValueError(f"{settings.format} {settings.modality}")
    return settings


def _to_line(entry: Cached, settings: CacheSettings) -> dict[str, Any]:
    """An entry as it stands in the index."""
    if entry.failure is not None:
        return {"clip_id": entry.clip_id, "failure": entry.failure}
    if settings.format == "raw":
        place = {"slot": entry.offset // settings.clip_bytes}
    else:
        place = {"offset": entry.offset, "bytes": entry.bytes}
    of = {} if entry.of is None else {"of": entry.of}
    return {"clip_id": entry.clip_id, **place, "frames": entry.frames, "crc32": entry.crc32, **of}


def _from_line(value: dict[str, Any], settings: CacheSettings) -> Cached:
    """An entry from its line."""
    if value.get("failure") is not None:
        return Cached(str(value["clip_id"]), failure=str(value["failure"]))
    frames = int(value["frames"])
    if settings.format == "raw":
        offset, size = int(value["slot"]) * settings.clip_bytes, frames * settings.frame_bytes
    else:
        offset, size = int(value["offset"]), int(value["bytes"])
    if min(offset, frames - 1, size) < 0 or frames > settings.max_frames:
        raise ValueError(f"{value} has no place in a cache")
    of = int(value["of"]) if "of" in value else None
    return Cached(str(value["clip_id"]), offset, size, frames, int(value["crc32"]), of=of)


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
