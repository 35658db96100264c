"""What is in a frame cache: clips.jsonl holds the settings, then a line for each clip: where it lies in frames.bin.

raw    {"clip_id", "slot", "frames", "crc32"}             frames begin at slot × bytes of the longest clip
jpeg   {"clip_id", "offset", "bytes", "frames", "crc32"}
flow   either, and "of": the CRC-32 of the frames that it was computed from
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
from gymqa.io.console import track
from gymqa.io.files import write_text

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
