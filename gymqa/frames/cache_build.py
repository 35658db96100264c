"""Build a frame cache: worker processes decode clips (or compute flow), one process writes frames and index.

A clip's index line is appended only after its frames are in the file, and indexed bytes are never moved or
overwritten. A stopped build therefore resumes, and concurrent readers see complete clips only. Frames are written in
the order of the clips for any number of processes: the same clips give the same bytes.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
    read_index,
    write_index,
)
from gymqa.frames.sampling import ClipTimes
from gymqa.frames.stored_frames import pack
from gymqa.frames.video import Decoder, Frames, VideoError, decode_clip
from gymqa.io.console import console, progress_bar
from gymqa.runtime.workers import UNLIMITED, Limits, Lost, guarded_map

Task = tuple[str, Path]  # clip id, and the video or folder that its frames come from


@dataclass(frozen=True, slots=True)
class PackedClip:
    """A clip's frames encoded for writing, with the fields of their `IndexEntry`, or why there are none."""

    clip_id: str
    frames: int = 0
    packed: bytes = b""
    crc32: int = 0
    failure: str | None = None
    source_crc32: int | None = None
    height: int = 0
    width: int = 0
    times: ClipTimes | None = None


def _begin() -> None:
    """Limit OpenCV to one thread per process."""
    cv2.setNumThreads(1)


def _decode_clip(settings: CacheSettings, task: Task, decoder: Decoder = "pyav") -> PackedClip:
    """Decode one clip and pack its frames."""
    clip_id, video = task
    try:
        clip = decode_clip(video, settings.size, settings.max_frames, decoder, settings.image_fps)
        return pack_clip(clip_id, clip.frames, settings, clip.times)
    except VideoError as error:
        return PackedClip(clip_id, failure=str(error))


def pack_clip(clip_id: str, frames: Frames, settings: CacheSettings, times: ClipTimes | None = None) -> PackedClip:
    """Encode a clip's frames [t, H, W, C] for writing."""
    packed, (height, width) = pack(frames, settings), frames.shape[1:3]
    return PackedClip(clip_id, len(frames), packed, zlib.crc32(packed), height=height, width=width, times=times)


@dataclass(frozen=True, slots=True)
class FrameProducer:
    """How a cache's frames are produced from a clip: by decoding, or by computing flow.

    Attributes:
        what: label of the progress bar.
        make: returns a clip's packed frames; runs in the workers, so it must be picklable.
        begin: runs once in each worker before its first clip.
    """

    what: str
    make: Callable[[CacheSettings, Task], PackedClip]
    begin: Callable[[], None]


DECODER = FrameProducer("decoding clips", _decode_clip, _begin)


def decoding_by(decoder: Decoder) -> FrameProducer:
    """The producer that decodes by a decoder."""
    return replace(DECODER, make=partial(_decode_clip, decoder=decoder))


def add_clips(
    folder: Path,
    clip_ids: Sequence[str],
    path_of: Callable[[str], Path],
    settings: CacheSettings,
    workers: int,
    verify: bool = False,
    limits: Limits = UNLIMITED,
    producer: FrameProducer = DECODER,
) -> None:
    """Add the clips that are not in the cache yet; the caller holds the folder's lock.

    Args:
        folder: folder of the cache; an empty one becomes a new cache.
        clip_ids: distinct ids of the clips; existing ones are kept.
        path_of: maps a clip id to its video file, or to the folder that its frames are computed from.
        settings: settings of the cache.
        workers: number of processes; 1 runs in this process if there are no limits.
        verify: produce clips again that do not match their CRC-32.
        limits: limits of one clip; beyond them its process is killed, and the clip is recorded as failed.
        producer: how the frames are produced; by default they are decoded.

    Raises:
        GymQAError: the folder is not writable or the disk is full; the existing cache is kept.
    """
    with _write_errors_reported(folder):
        kept = _prepare(folder, settings, verify)
    tasks = [(clip_id, path_of(clip_id)) for clip_id in clip_ids if clip_id not in kept]
    if not tasks:
        return
    end = end_of(kept.values(), settings)
    with progress_bar(producer.what, len(clip_ids), len(clip_ids) - len(tasks)) as bar:
        for decoded in _run(tasks, settings, workers, limits, producer):
            with _write_errors_reported(folder):
                end = _write(folder, decoded, settings, end)
            bar.advance()


def _prepare(folder: Path, settings: CacheSettings, verify: bool) -> dict[str, IndexEntry]:
    """Rewrite the index with complete clips only, and return them by id; none of an earlier reading is kept."""
    found, entries = read_index(folder)
    if found is not None and found.reading != settings.reading:
        (folder / DATA).unlink(missing_ok=True)  # who has mapped it keeps it
        entries = []
    (folder / DATA).touch()
    data = mapped(folder)
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
    """Write a clip at byte `end` of the file, append its index line, and return the new end."""
    if clip.failure is not None:
        entry = IndexEntry(clip.clip_id, failure=clip.failure)
    else:
        entry = IndexEntry(
            clip.clip_id, end, len(clip.packed), clip.frames, clip.crc32, None, clip.source_crc32, clip.height,
            clip.width, clip.times,
        )  # fmt: skip
        with (folder / DATA).open("r+b") as file:
            file.seek(end)
            file.write(clip.packed)
            end = end_of([entry], settings)
            if file.seek(0, 2) < end:
                file.truncate(end)  # the unused part of a raw slot is a hole in the file
    with (folder / INDEX).open("a", encoding="utf-8") as index:
        index.write(lines_of([entry], settings))
    return end


@contextmanager
def _write_errors_reported(folder: Path) -> Iterator[None]:
    """Raise GymQAError if the cache cannot be written."""
    try:
        yield
    except OSError as error:
        raise GymQAError(
            f"cannot write the frame cache {folder}: {error.strerror or error}; the clips in it are complete, "
            "so free some space and run the same command again"
        ) from error


def _run(
    tasks: Sequence[Task], settings: CacheSettings, workers: int, limits: Limits, producer: FrameProducer
) -> Iterator[PackedClip]:
    """Yield the packed clips in order, from this process or several, buffering few at a time."""
    work = partial(producer.make, settings)
    if workers == 1 and not limits:
        yield from map(work, tasks)
        return
    for (clip_id, video), found in zip(tasks, guarded_map(work, tasks, workers, limits, producer.begin), strict=True):
        yield PackedClip(clip_id, failure=f"{video}: {found.reason}") if isinstance(found, Lost) else found
