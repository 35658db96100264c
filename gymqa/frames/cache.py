"""A cache of decoded frames: every clip is decoded once, into one file that any number of readers may map.

frames.bin   the frames, raw or as JPEG pictures (gymqa.frames.cache_format)
clips.jsonl  the settings, then a line for each clip: its place, number of frames and CRC-32, or why it does not decode
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.cache_build import add_clips
from gymqa.frames.cache_format import (
    CacheSettings,
    FrameFormat,
    IndexEntry,
    damaged,
    end_of,
    mapped,
    read_index,
    stored_frames,
)
from gymqa.frames.sampling import Indices
from gymqa.frames.video import Frames
from gymqa.io.files import only_writer
from gymqa.runtime.runs import require_writable
from gymqa.runtime.workers import UNLIMITED, Limits, worker_count


class FrameCache:
    """Read a cache made by `FrameCache.build`; a process it is sent to maps the same file.

    Args:
        folder: the cache's folder.

    Raises:
        GymQAError: there is no cache, or its file is shorter than its index says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings, entries = read_index(folder)
        if settings is None:
            raise GymQAError(f"{folder} holds no frame cache; build it first")
        self.size, self.max_frames, self.format = settings.size, settings.max_frames, settings.format
        self.modality, self.settings = settings.modality, settings
        self._entries = {entry.clip_id: entry for entry in entries if entry.failure is None}
        self.failures = {entry.clip_id: entry.failure for entry in entries if entry.failure is not None}
        self._data = mapped(folder)
        if end_of(self._entries.values(), settings) > len(self._data):
            raise GymQAError(
                f"{folder / 'frames.bin'} is shorter than its index says; build the cache again to mend it"
            )
        self._frames = stored_frames(self._data, settings)

    def __reduce__(self) -> tuple[type["FrameCache"], tuple[Path]]:
        return FrameCache, (self.folder,)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def clip_ids(self) -> list[str]:
        """Clips whose frames are here, in the order they came."""
        return list(self._entries)

    def fingerprint(self) -> dict[str, Any]:
        """What the frames depend on beside the clips: size, how many of a clip are kept, how flow was made."""
        return {"size": self.size, "max_frames": self.max_frames, **self.settings.content}

    def get(self, clip_id: str) -> Frames:
        """Frames of a clip: uint8 [t, S, S, C], t <= max_frames, evenly spaced.

        Raises:
            GymQAError: the clip is not in the cache (with the reason, when it did not decode), or is damaged.
        """
        return self.gather([clip_id], np.arange(self._entry(clip_id).frames)[None])[0]

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of cached frames of each clip [B]."""
        return np.array([self._entry(clip_id).frames for clip_id in clip_ids], np.int64)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of many clips at once: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a clip is not in the cache, or a JPEG picture is damaged.
            IndexError: a clip has fewer frames.
        """
        entries = [self._entry(clip_id) for clip_id in clip_ids]
        lengths = np.array([entry.frames for entry in entries], np.int64)
        if ((indices < 0) | (indices >= lengths[:, None])).any():
            raise IndexError(f"clips of {lengths.tolist()} frames have no frames {indices.tolist()}")
        return self._frames.take(entries, indices)

    def checksum(self, clip_id: str) -> int:
        """The CRC-32 that a clip's frames were written with.

        Raises:
            GymQAError: the clip is not in the cache.
        """
        return self._entry(clip_id).crc32

    def damaged(self) -> list[str]:
        """Clips whose frames do not have the CRC-32 they were written with; reads the whole cache."""
        return damaged(self._data, self._entries.values())

    def _entry(self, clip_id: str) -> IndexEntry:
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
        format: FrameFormat | None = None,
        verify: bool = False,
        limits: Limits = UNLIMITED,
    ) -> "FrameCache":
        """Decode what is not yet there and return the cache. Clips that failed before are tried again.

        Args:
            folder: where the cache lies or will lie.
            clip_ids: clips wanted; those already there stay.
            path_of: the video file of a clip.
            size: pixels of the square frames (short side resized, middle kept).
            max_frames: frames kept of a longer clip, evenly spaced.
            workers: processes; None takes one a core, 1 works in this process where there are no limits.
            format: raw or jpeg; None takes the format of the cache in `folder`, and for a new one raw where the
                frames of all clips are at most `RAW_LIMIT` bytes.
            verify: compare every clip that is there with its CRC-32, and decode the damaged ones again.
            limits: of one clip, in time and memory; one that takes more fails, and its process is killed.

        Raises:
            GymQAError: sizes or workers below 1, the folder holds a cache of other settings, is being built by
                another process, or cannot be written to, or the disk is full; what is in the cache then stays.
        """
        if min(size, max_frames) < 1:
            raise GymQAError(f"no frame cache can hold {max_frames} frames of {size} pixels; give 1 or more of both")
        wanted, processes = list(dict.fromkeys(clip_ids)), worker_count(workers)
        with only_writer(require_writable(folder), "the frame cache"):
            settings = settings_for(folder, CacheSettings(size, max_frames), format, len(wanted))
            add_clips(folder, wanted, path_of, settings, processes, verify, limits)
        return FrameCache(folder)


RAW_LIMIT = 8 << 30  # bytes; raw frames are fastest as long as they stay in memory


def settings_for(folder: Path, wanted: CacheSettings, format: FrameFormat | None, clips: int) -> CacheSettings:
    """The settings of the cache in `folder`, or of the one to be made there.

    Raises:
        GymQAError: the cache there has other settings.
    """
    found, _ = read_index(folder)
    by_size: FrameFormat = "raw" if clips * wanted.clip_bytes <= RAW_LIMIT else "jpeg"
    settings = replace(wanted, format=format or (found.format if found else by_size))
    if found not in (None, settings):
        raise GymQAError(f"the frame cache {folder} was built with {found}, not {settings}; choose another folder")
    return settings
