"""Building a frame cache: processes decode (or compute flow), one process writes.

A clip's line is added to the index only after its frames are in the file, and what an index line names is never moved
or written over. So a build that was stopped goes on where it was, and who reads meanwhile sees whole clips only. Frames
are written in the order of the clips, whatever the number of processes: the same clips give the same bytes.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2

from gymqa.errors import GymQAError
from gymqa.frames.cache_format import (
    DATA,
    INDEX,
    CacheSettings,
    IndexEntry,
    damaged,
    end_of,
    lines_of,
    mapped,
    pack,
    read_index,
    write_index,
)
from gymqa.frames.video import Frames, VideoError, decode
from gymqa.io.console import console, progress_bar
from gymqa.runtime.workers import UNLIMITED, Limits, Lost, guarded_map

Task = tuple[str, Path]  # clip id, and the video or folder that its frames come from


@dataclass(frozen=True, slots=True)
class PackedClip:
    """A clip's frames as they are to be written, or why there are none; `of` as of `Cached`."""

    clip_id: str
    frames: int = 0
    packed: bytes = b""
    crc32: int = 0
    failure: str | None = None
    of: int | None = None


def _begin() -> None:
    """Let OpenCV compute in one thread a process."""

    cv2.setNumThreads(1)


def _decode_clip(settings: CacheSettings, task: Task) -> PackedClip:
    """Decode one clip and pack its frames."""
    clip_id, video = task
    try:
        return pack_clip(clip_id, decode(video, settings.size, settings.max_frames), settings)
    except VideoError as error:
        return PackedClip(clip_id, failure=str(error))


def pack_clip(clip_id: str, frames: Frames, settings: CacheSettings) -> PackedClip:
    """A clip's frames [t, S, S, C] as they are to be written."""
    packed = pack(frames, settings)
    return PackedClip(clip_id, len(frames), packed, zlib.crc32(packed))


@dataclass(frozen=True, slots=True)
class FrameProducer:
    """How the frames of a cache are made.

    Attributes:
        what: the progress bar's words.
        make: gives a clip's frames, packed; works in the processes, so it must pickle.
        begin: done once in each process before.
    """

    what: str
    make: Callable[[CacheSettings, Task], PackedClip]
    begin: Callable[[], None]


DECODING = FrameProducer("decoding clips", _decode_clip, _begin)


def add_clips(
    folder: Path,
    clip_ids: Sequence[str],
    path_of: Callable[[str], Path],
    settings: CacheSettings,
    workers: int,
    verify: bool = False,
    limits: Limits = UNLIMITED,
    making: FrameProducer = DECODING,
) -> None:
    """Make the frames of the clips that are not in the cache yet; the caller holds the folder's lock.

    Args:
        folder: the cache's; nothing in it means a new cache.
        clip_ids: clips wanted, each once; those already there stay.
        path_of: the video file of a clip, or whatever its frames are made from.
        settings: those of the cache.
        workers: processes; 1 works in this one, where there are no limits.
        verify: decode again what does not have its CRC-32.
        limits: of one clip; its process is killed when it takes more, and the clip is one that does not decode.
        making: how its frames are made; they are decoded by default.

    Raises:
        GymQAError: the folder cannot be written to or the disk is full; what is in the cache stays.
    """
    with _write_errors_reported(folder):
        kept = _prepare(folder, settings, verify)
    tasks = [(clip_id, path_of(clip_id)) for clip_id in clip_ids if clip_id not in kept]
    if not tasks:
        return
    end = end_of(kept.values(), settings)
    with progress_bar(making.what, len(clip_ids), len(clip_ids) - len(tasks)) as bar:
        for decoded in _run(tasks, settings, workers, limits, making):
            with _write_errors_reported(folder):
                end = _write(folder, decoded, settings, end)
            bar.advance()


def _prepare(folder: Path, settings: CacheSettings, verify: bool) -> dict[str, IndexEntry]:
    """Leave the folder with an index of whole clips only, and return them by id."""
    (folder / DATA).touch()
    data = mapped(folder)
    _, entries = read_index(folder)
    kept = {
        entry.clip_id: entry for entry in entries if entry.failure is None and end_of([entry], settings) <= len(data)
    }
    if verify:
        lost = set(damaged(data, kept.values()))
        console.print(f"{len(lost)} clips were damaged", highlight=False)
        kept = {clip_id: entry for clip_id, entry in kept.items() if clip_id not in lost}
    write_index(folder, settings, kept.values())
    return kept


def _write(folder: Path, clip: PackedClip, settings: CacheSettings, end: int) -> int:
    """Write a clip from byte `end` of the file on, then its line, and return the new end."""
    if clip.failure is not None:
        entry = IndexEntry(clip.clip_id, failure=clip.failure)
    else:
        entry = IndexEntry(clip.clip_id, end, len(clip.packed), clip.frames, clip.crc32, of=clip.of)
        with (folder / DATA).open("r+b") as file:
            file.seek(end)
            file.write(clip.packed)
            end = end_of([entry], settings)
            if file.seek(0, 2) < end:
                file.truncate(end)  # what a raw clip leaves over is a hole
    with (folder / INDEX).open("a", encoding="utf-8") as index:
        index.write(lines_of([entry], settings))
    return end


@contextmanager
def _write_errors_reported(folder: Path) -> Iterator[None]:
    """Raise GymQAError where the cache cannot be written."""
    try:
        yield
    except OSError as error:
        raise GymQAError(
            f"cannot write the frame cache {folder}: {error.strerror or error}; the clips in it are whole, "
            "so make room and the same command goes on"
        ) from error


def _run(
    tasks: Sequence[Task], settings: CacheSettings, workers: int, limits: Limits, making: FrameProducer
) -> Iterator[PackedClip]:
    """Yield the clips in order, from this process or from several, holding few at a time."""
    work = partial(making.make, settings)
    if workers == 1 and not limits:
        yield from map(work, tasks)
        return
    for (clip_id, video), found in zip(tasks, guarded_map(work, tasks, workers, limits, making.begin), strict=True):
        yield PackedClip(clip_id, failure=f"{video}: {found.reason}") if isinstance(found, Lost) else found
