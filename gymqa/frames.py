"""A cache of decoded frames: every clip is decoded once, into one raw file that any number of readers may map.

frames.bin   uint8 [slots, max_frames, S, S, 3], one slot a clip; unused frames of a slot are holes in the file
clips.jsonl  the settings, then a line for each clip: its slot, number of frames and CRC-32, or why it does not decode

A line is added only after its frames are written, so a build that was stopped goes on where it was.
"""

import json
import multiprocessing
import signal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.atomic import write_text
from gymqa.errors import GymQAError
from gymqa.locks import only_writer
from gymqa.processes import deaths_reported, worker_count
from gymqa.progress import progress_bar
from gymqa.runs import require_writable
from gymqa.sampling import Indices
from gymqa.video import Frames, VideoError, decode

CHUNK = 16  # clips handed to a worker at a time


@dataclass(frozen=True, slots=True)
class Cached:
    """One clip's place in the cache, or why it has none."""

    clip_id: str
    slot: int
    frames: int
    crc32: int
    failure: str | None = None


class FrameCache:
    """Read a cache made by `FrameCache.build`.

    Args:
        folder: the cache's folder.

    Raises:
        GymQAError: there is no cache, or its file is shorter than its index says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings, entries = _read_index(folder)
        if settings is None:
            raise GymQAError(f"{folder} holds no frame cache; build it first")
        self.size: int = settings["size"]
        self.max_frames: int = settings["max_frames"]
        self._entries = {entry.clip_id: entry for entry in entries if entry.failure is None}
        self.failures = {entry.clip_id: entry.failure for entry in entries if entry.failure is not None}
        slots = 1 + max((entry.slot for entry in self._entries.values()), default=-1)
        if slots * _slot_bytes(settings) > _file_size(folder):
            raise GymQAError(
                f"{folder / 'frames.bin'} is shorter than its index says; build the cache again to mend it"
            )
        shape = (slots, self.max_frames, self.size, self.size, 3)
        data = np.memmap(folder / "frames.bin", np.uint8, "r", shape=shape) if slots else np.zeros(shape, np.uint8)
        self._frames: NDArray[np.uint8] = data

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def clip_ids(self) -> list[str]:
        """Clips whose frames are here, in the order they came."""
        return list(self._entries)

    def get(self, clip_id: str) -> Frames:
        """Frames of a clip: uint8 [t, S, S, 3], t <= max_frames, evenly spaced.

        Raises:
            GymQAError: the clip is not in the cache (with the reason, when it did not decode).
        """
        entry = self._entry(clip_id)
        return np.array(self._frames[entry.slot, : entry.frames])

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of cached frames of each clip [B]."""
        return np.array([self._entry(clip_id).frames for clip_id in clip_ids], np.int64)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of many clips at once: indices [B, N] -> uint8 [B, N, S, S, 3]."""
        slots = np.array([self._entry(clip_id).slot for clip_id in clip_ids], np.int64)
        return self._frames[slots[:, None], indices]

    def damaged(self) -> list[str]:
        """Clips whose frames do not have the CRC-32 they were written with; reads the whole cache."""
        return [clip for clip, entry in self._entries.items() if zlib.crc32(self.get(clip).data) != entry.crc32]

    def _entry(self, clip_id: str) -> Cached:
        if clip_id not in self._entries:
            reason = self.failures.get(clip_id, "it was never added; build the cache with it")
            raise GymQAError(f"clip {clip_id} is not in the frame cache {self.folder}: {reason}")
        return self._entries[clip_id]

    @staticmethod
    def build(
        folder: Path,
        clip_ids: Iterable[str],
        path_of: Callable[[str], Path],
        size: int,
        max_frames: int = 32,
        workers: int | None = None,
    ) -> "FrameCache":
        """Decode what is not yet there and return the cache. Clips that failed before are tried again.

        Args:
            folder: where the cache lies or will lie.
            clip_ids: clips wanted; those already there stay.
            path_of: the video file of a clip.
            size: pixels of the square frames (short side resized, middle kept).
            max_frames: frames kept of a longer clip, evenly spaced.
            workers: processes; None takes one a core, 1 works in this process.

        Raises:
            GymQAError: sizes or workers below 1, or the folder holds a cache of other settings, is being built by
                another process, or cannot be written to.
        """
        if min(size, max_frames) < 1:
            raise GymQAError(f"no frame cache can hold {max_frames} frames of {size} pixels; give 1 or more of both")
        settings, processes = {"size": size, "max_frames": max_frames}, worker_count(workers)
        with only_writer(require_writable(folder), "the frame cache"):
            done = _prepare(folder, settings)
            wanted = [clip_id for clip_id in dict.fromkeys(clip_ids) if clip_id not in done]
            if wanted:
                first = 1 + max((entry.slot for entry in done.values()), default=-1)
                tasks = [(clip_id, slot, path_of(clip_id)) for slot, clip_id in enumerate(wanted, first)]
                _decode_all(folder, tasks, settings, processes)
        return FrameCache(folder)


Task = tuple[str, int, Path]  # clip id, slot, video


def _decode_all(folder: Path, tasks: list[Task], settings: dict[str, int], workers: int) -> None:
    """Decode all tasks, adding each clip to the index as soon as its frames are written."""
    with (folder / "frames.bin").open("r+b") as file:
        file.truncate((tasks[-1][1] + 1) * _slot_bytes(settings))
    chunks = [tasks[start : start + CHUNK] for start in range(0, len(tasks), CHUNK)]
    work = partial(_decode_chunk, folder / "frames.bin", settings)
    with (
        (folder / "clips.jsonl").open("a", encoding="utf-8") as index,
        progress_bar("decoding clips", len(tasks)) as bar,
    ):
        for entries in _run(work, chunks, min(workers, len(chunks))):
            index.write("".join(json.dumps(_plain(entry)) + "\n" for entry in entries))
            index.flush()
            bar.advance(len(entries))


def _run(work: Callable[[list[Task]], list[Cached]], chunks: list[list[Task]], workers: int) -> Iterator[list[Cached]]:
    """Yield the results of `work` as they come, from this process or from several."""
    if workers == 1:
        yield from map(work, chunks)
        return
    # spawn: decord and OpenMP do not survive a fork of a process that has used them
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    try:
        futures = {pool.submit(work, chunk): chunk for chunk in chunks}
        with deaths_reported("decoding", "run again, and with one worker to see whether a video crashes the decoder"):
            for future in as_completed(futures):
                yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, which lets the chunk at hand be finished; one thread a process."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def _decode_chunk(target: Path, settings: dict[str, int], tasks: list[Task]) -> list[Cached]:
    """Decode some clips and write each into its slot of `target`."""
    entries = []
    with target.open("r+b", buffering=0) as file:
        for clip_id, slot, video in tasks:
            try:
                frames = decode(video, settings["size"], settings["max_frames"])
            except VideoError as error:
                entries.append(Cached(clip_id, -1, 0, 0, str(error)))
                continue
            file.seek(slot * _slot_bytes(settings))
            file.write(frames.data)
            entries.append(Cached(clip_id, slot, len(frames), zlib.crc32(frames.data)))
    return entries


def _prepare(folder: Path, settings: dict[str, int]) -> dict[str, Cached]:
    """Leave the folder with an index of whole clips only, and return them by id.

    Raises:
        GymQAError: the cache there has other settings.
    """
    found, entries = _read_index(folder)
    if found not in (None, settings):
        raise GymQAError(
            f"the frame cache {folder} was built with {found}, not {settings}; remove it or choose another folder"
        )
    whole = _file_size(folder) // _slot_bytes(settings)
    kept = {entry.clip_id: entry for entry in entries if entry.failure is None and entry.slot < whole}
    (folder / "frames.bin").touch()
    lines = [json.dumps(settings), *(json.dumps(_plain(entry)) for entry in kept.values())]
    write_text(folder / "clips.jsonl", "\n".join(lines) + "\n")
    return kept


def _read_index(folder: Path) -> tuple[dict[str, int] | None, list[Cached]]:
    """The settings (None without a cache) and the clips of an index; a line cut short by a stop is left out.

    Raises:
        GymQAError: the index is not one of ours.
    """
    path = folder / "clips.jsonl"
    if not path.exists():
        return None, []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last newline is half a line
    try:
        values = [json.loads(line) for line in lines]
        entries = [Cached(**value) for value in values[1:]]
        settings = {"size": int(values[0]["size"]), "max_frames": int(values[0]["max_frames"])}
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise GymQAError(f"{path} is damaged; remove the folder and build the frame cache again") from error
    return settings, list({entry.clip_id: entry for entry in entries}.values())


def _plain(entry: Cached) -> dict[str, Any]:
    """An entry as it stands in the index."""
    if entry.failure is not None:
        return {"clip_id": entry.clip_id, "slot": -1, "frames": 0, "crc32": 0, "failure": entry.failure}
    return {"clip_id": entry.clip_id, "slot": entry.slot, "frames": entry.frames, "crc32": entry.crc32}


def _slot_bytes(settings: dict[str, int]) -> int:
    """Bytes of one clip's slot."""
    return settings["max_frames"] * settings["size"] ** 2 * 3


def _file_size(folder: Path) -> int:
    """Bytes of frames.bin, 0 when it is absent."""
    path = folder / "frames.bin"
    return path.stat().st_size if path.exists() else 0
