"""File format of a frame cache: its index, clips.jsonl, and where the clips lie in frames.bin.

The first line of clips.jsonl holds the settings (of frames also `READING`), each other line one clip:
raw    {"clip_id", "slot", "frames", "crc32"}             frames begin at slot × bytes of the longest square clip
jpeg   {"clip_id", "offset", "bytes", "frames", "crc32"}
frames either, with "height", "width", and where times are known "fps", "duration", "source_frames", and of a varying
       frame rate "stamps" (see `gymqa.frames.sampling.ClipTimes`)
flow   either, and "of": the CRC-32 of the frames that the flow was computed from; flow is square
"""

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, channels
from gymqa.frames.sampling import ClipTimes
from gymqa.io.console import track
from gymqa.io.files import write_text
from gymqa.runtime.choices import require_choices

FrameFormat = Literal["raw", "jpeg"]
Bytes = NDArray[np.uint8]  # [n]
DATA, INDEX = "frames.bin", "clips.jsonl"
READING = 3  # increased when the same video may give other frames; 3 keeps whole frames and their times


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Settings of a frame cache.

    Attributes:
        size: short side of the frames, pixels; their center square has this side.
        max_frames: frames kept of a longer clip.
        format: storage format of the frames.
        modality: rgb, or flow with two channels.
        method: method of the optical flow; "" for rgb.
        reading: the `READING` that decoded the frames.
        image_fps: frames per second of clips that are folders of images; None where that is not known.
    """

    size: int
    max_frames: int
    format: FrameFormat = "raw"
    modality: Modality = "rgb"
    method: str = ""
    reading: int = READING
    image_fps: float | None = None

    def __post_init__(self) -> None:
        require_choices(self)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return channels(self.modality)

    @property
    def frame_bytes(self) -> int:
        """Bytes of a raw square."""
        return self.size**2 * self.channels

    @property
    def clip_bytes(self) -> int:
        """Bytes of the longest raw clip of squares, which is a slot; clips of larger frames take several."""
        return self.max_frames * self.frame_bytes

    @property
    def content(self) -> dict[str, Any]:
        """Modality and method if the frames are not RGB; a cache without them holds RGB."""
        return {} if self.modality == "rgb" else {"modality": self.modality, "method": self.method}

    def __str__(self) -> str:
        more = self.content if self.image_fps is None else {**self.content, "image_fps": self.image_fps}
        shown = "".join(f", {name} {value}" for name, value in more.items())
        return f"size {self.size}, max_frames {self.max_frames}, format {self.format}{shown}"


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """One clip's offset and size in frames.bin, in bytes, or the reason why it is not there.

    Its frames are `height` × `width` pixels; `times` are theirs, None where they are not known. `source_crc32` is the
    CRC-32 of the frames that flow was computed from; None for frames themselves.
    """

    clip_id: str
    offset: int = 0
    bytes: int = 0
    frames: int = 0
    crc32: int = 0
    failure: str | None = None
    source_crc32: int | None = None
    height: int = 0
    width: int = 0
    times: ClipTimes | None = None


def mapped(folder: Path) -> Bytes:
    """The cache's file as a memory-mapped array [n], shared by processes."""
    path = folder / DATA
    if not path.exists() or path.stat().st_size == 0:
        return np.empty(0, np.uint8)
    return np.asarray(np.memmap(path, np.uint8, "r"))


def end_of(entries: Iterable[IndexEntry], settings: CacheSettings) -> int:
    """The byte after the last of these clips, including the unused part of a raw slot."""
    slot = settings.clip_bytes if settings.format == "raw" else 1
    return max((entry.offset + -(-entry.bytes // slot) * slot for entry in entries), default=0)


def is_sound(data: Bytes, entry: IndexEntry) -> bool:
    """Whether a clip's bytes match their CRC-32."""
    return zlib.crc32(data[entry.offset : entry.offset + entry.bytes].data) == entry.crc32


def damaged(data: Bytes, entries: Iterable[IndexEntry]) -> list[str]:
    """Ids of clips whose bytes do not match their CRC-32."""
    entries = list(entries)
    return [entry.clip_id for entry in track(entries, "checking clips", len(entries)) if not is_sound(data, entry)]


def lines_of(entries: Iterable[IndexEntry], settings: CacheSettings) -> str:
    """The index lines of these clips."""
    return "".join(json.dumps(_to_line(entry, settings)) + "\n" for entry in entries)


def write_index(folder: Path, settings: CacheSettings, entries: Iterable[IndexEntry]) -> None:
    """Write the complete index, atomically."""
    kept = {"size": settings.size, "max_frames": settings.max_frames, "format": settings.format, **settings.content}
    if settings.modality == "rgb":
        kept["reading"] = settings.reading
    if settings.image_fps is not None:
        kept["image_fps"] = settings.image_fps
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
    settings = CacheSettings(
        size, max_frames, value.get("format", "raw"), modality, method, reading, value.get("image_fps")
    )
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
    shape = {"height": entry.height, "width": entry.width} if settings.modality == "rgb" else {}
    times = {} if entry.times is None else entry.times.to_json()
    place = {"clip_id": entry.clip_id, **position}
    return {**place, "frames": entry.frames, "crc32": entry.crc32, **of, **shape, **times}


def _from_line(value: dict[str, Any], settings: CacheSettings) -> IndexEntry:
    """Parse the JSON object of an index line."""
    if value.get("failure") is not None:
        return IndexEntry(str(value["clip_id"]), failure=str(value["failure"]))
    frames = int(value["frames"])
    height, width = (int(value.get(side, settings.size)) for side in ("height", "width"))
    if settings.format == "raw":
        offset, size = int(value["slot"]) * settings.clip_bytes, frames * height * width * settings.channels
    else:
        offset, size = int(value["offset"]), int(value["bytes"])
    if min(offset, frames - 1, size) < 0 or frames > settings.max_frames or min(height, width) != settings.size:
        raise ValueError(f"{value} is not an entry of a cache")
    of = int(value["of"]) if "of" in value else None
    times = ClipTimes.from_json(value, frames) if "fps" in value else None
    crc32 = int(value["crc32"])
    return IndexEntry(str(value["clip_id"]), offset, size, frames, crc32, None, of, height, width, times)
