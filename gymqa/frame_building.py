"""Building a frame cache: processes decode, one process writes.

A clip's line is added to the index only after its frames are in the file, and what an index line names is never moved
or written over. So a build that was stopped goes on where it was, and who reads meanwhile sees whole clips only. Frames
are written in the order of the clips, whatever the number of processes: the same clips give the same bytes.
"""

import multiprocessing
import signal
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.frame_formats import pack
from gymqa.frame_index import (
    DATA,
    INDEX,
    Cached,
    CacheSettings,
    damaged,
    end_of,
    lines_of,
    mapped,
    read_index,
    write_index,
)
from gymqa.processes import deaths_reported, end_with_parent
from gymqa.progress import console, progress_bar
from gymqa.video import VideoError, decode

CHUNK = 2  # clips handed to a process at a time

Task = tuple[str, Path]  # clip id, video


@dataclass(frozen=True, slots=True)
class Decoded:
    """A clip's frames as they are to be written, or why there are none."""

    clip_id: str
    frames: int = 0
    packed: bytes = b""
    crc32: int = 0
    failure: str | None = None


def add_clips(
    folder: Path,
    clip_ids: Sequence[str],
    path_of: Callable[[str], Path],
    settings: CacheSettings,
    workers: int,
    verify: bool = False,
) -> None:
    """Decode the clips that are not in the cache yet; the caller holds the folder's lock.

    Args:
        folder: the cache's; nothing in it means a new cache.
        clip_ids: clips wanted, each once; those already there stay.
        path_of: the video file of a clip.
        settings: those of the cache.
        workers: processes; 1 works in this one.
        verify: decode again what does not have its CRC-32.

    Raises:
        GymQAError: the folder cannot be written to or the disk is full; what is in the cache stays.
    """
    with _write_errors_told(folder):
        kept = _prepare(folder, settings, verify)
    tasks = [(clip_id, path_of(clip_id)) for clip_id in clip_ids if clip_id not in kept]
    if not tasks:
        return
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    end = end_of(kept.values(), settings)
    with progress_bar("decoding clips", len(clip_ids), len(clip_ids) - len(tasks)) as bar:
        for decoded in _run(partial(_decode_chunk, settings), chunks, min(workers, len(chunks))):
            with _write_errors_told(folder):
                end = _write(folder, decoded, settings, end)
            bar.advance(len(decoded))


def _prepare(folder: Path, settings: CacheSettings, verify: bool) -> dict[str, Cached]:
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


def _write(folder: Path, decoded: Sequence[Decoded], settings: CacheSettings, end: int) -> int:
    """Write clips from byte `end` of the file on, then their lines, and return the new end."""
    entries = []
    with (folder / DATA).open("r+b") as file:
        for clip in decoded:
            if clip.failure is not None:
                entries.append(Cached(clip.clip_id, failure=clip.failure))
                continue
            entry = Cached(clip.clip_id, end, len(clip.packed), clip.frames, clip.crc32)
            file.seek(end)
            file.write(clip.packed)
            end = end_of([entry], settings)
            entries.append(entry)
        if file.seek(0, 2) < end:
            file.truncate(end)  # what a raw clip leaves over is a hole
    with (folder / INDEX).open("a", encoding="utf-8") as index:
        index.write(lines_of(entries, settings))
    return end


@contextmanager
def _write_errors_told(folder: Path) -> Iterator[None]:
    """Raise GymQAError where the cache cannot be written."""
    try:
        yield
    except OSError as error:
        raise GymQAError(
            f"cannot write the frame cache {folder}: {error.strerror or error}; the clips in it are whole, "
            "so make room and the same command goes on"
        ) from error


def _run(
    work: Callable[[list[Task]], list[Decoded]], chunks: list[list[Task]], workers: int
) -> Iterator[list[Decoded]]:
    """Yield the results of `work` in order, from this process or from several, holding few at a time."""
    if workers == 1:
        yield from map(work, chunks)
        return
    # spawn: decord and OpenMP do not survive a fork of a process that has used them
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    waiting: deque[Future[list[Decoded]]] = deque()
    try:
        with deaths_reported("decoding", "run again, and with one worker to see whether a video crashes the decoder"):
            for chunk in chunks:
                waiting.append(pool.submit(work, chunk))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, which lets the chunk at hand be finished; end with it; one thread a process."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    cv2.setNumThreads(1)


def _decode_chunk(settings: CacheSettings, tasks: list[Task]) -> list[Decoded]:
    """Decode some clips."""
    return [_decode_clip(settings, clip_id, video) for clip_id, video in tasks]


def _decode_clip(settings: CacheSettings, clip_id: str, video: Path) -> Decoded:
    """Decode one clip and pack its frames."""
    try:
        frames = decode(video, settings.size, settings.max_frames)
    except VideoError as error:
        return Decoded(clip_id, failure=str(error))
    packed = pack(frames, settings)
    return Decoded(clip_id, len(frames), packed, zlib.crc32(packed))
