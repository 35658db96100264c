"""FrameCache: build and read a memory-mapped cache of the decoded frames of all clips.

frames.bin   the frames, raw or as JPEG images (gymqa.frames.stored_frames)
clips.jsonl  the settings, then a line for each clip: offset, shape, CRC-32 and times of its frames, or why it does not
             decode (gymqa.frames.cache_format)
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.cache_build import add_clips, decoding_by
from gymqa.frames.cache_format import (
    READING,
    CacheSettings,
    FrameFormat,
    IndexEntry,
    damaged,
    end_of,
    is_sound,
    mapped,
    read_index,
)
from gymqa.frames.sampling import ClipTimes, Indices
from gymqa.frames.stored_frames import stored_frames
from gymqa.frames.video import Decoder, Frames
from gymqa.io.files import only_writer
from gymqa.runtime.runs import require_writable
from gymqa.runtime.workers import UNLIMITED, Limits, worker_count


class FrameCache:
    """Reader of a cache built by `FrameCache.build`; when pickled to another process it maps the same file.

    Args:
        folder: the cache's folder.

    Raises:
        GymQAError: there is no cache, its frames may be wrong ones, or its file is shorter than its index requires.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings, entries = read_index(folder)
        if settings is None:
            raise GymQAError(f"{folder} holds no frame cache; build it first")
        if settings.reading != READING:
            raise GymQAError(
                f"{folder} was cached by an earlier version, without whole frames and their times; make it anew in its "
                f"place by `gymqa cache ROOT --lists … --out {folder} --size {settings.size} --max_frames "
                f"{settings.max_frames}`"
            )
        self.size, self.max_frames, self.format = settings.size, settings.max_frames, settings.format
        self.modality, self.settings = settings.modality, settings
        self._entries = {entry.clip_id: entry for entry in entries if entry.failure is None}
        self.failures = {entry.clip_id: entry.failure for entry in entries if entry.failure is not None}
        self._data = mapped(folder)
        if end_of(self._entries.values(), settings) > len(self._data):
            raise GymQAError(f"{folder / 'frames.bin'} is shorter than its index requires; build the cache again")
        self._frames = stored_frames(self._data, settings)
        self._checked: set[str] = set()  # clips whose bytes matched their checksum

    def __reduce__(self) -> tuple[type["FrameCache"], tuple[Path]]:
        return FrameCache, (self.folder,)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def clip_ids(self) -> list[str]:
        """Ids of the cached clips, in the order in which they were added."""
        return list(self._entries)

    def fingerprint(self) -> dict[str, Any]:
        """Settings that the frames depend on: size, frames kept per clip, flow method."""
        return {"size": self.size, "max_frames": self.max_frames, **self.settings.content}

    def get(self, clip_id: str) -> Frames:
        """Squares of a clip's frames: uint8 [t, S, S, C], t <= max_frames, evenly spaced.

        Raises:
            GymQAError: the clip is not in the cache (with the reason if it did not decode), or is damaged.
        """
        return self.gather([clip_id], np.arange(self._entry(clip_id).frames)[None])[0]

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of cached frames of each clip [B]."""
        return np.array([self._entry(clip_id).frames for clip_id in clip_ids], np.int64)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Center squares of selected frames of a batch of clips: indices [B, N] -> uint8 [B, N, S, S, C].

        Raises:
            GymQAError: a clip is not in the cache, or a JPEG image is damaged.
            IndexError: a clip has fewer frames.
        """
        entries = [self._sound(clip_id) for clip_id in clip_ids]
        _require_indices(entries, indices)
        return self._frames.take(entries, indices)

    def whole(self, clip_id: str, indices: Indices) -> Frames:
        """Whole frames of a clip: indices [N] -> uint8 [N, H, W, C], the shorter of H and W is `size`.

        Raises:
            GymQAError: the clip is not in the cache, or a JPEG image is damaged.
            IndexError: it has fewer frames.
        """
        entry = self._sound(clip_id)
        _require_indices([entry], indices[None])
        return self._frames.whole(entry, indices)

    def times(self, clip_id: str) -> ClipTimes | None:
        """Times of a clip's frames; None where it is a folder of images of unknown rate.

        Raises:
            GymQAError: the clip is not in the cache.
        """
        return self._entry(clip_id).times

    def checksum(self, clip_id: str) -> int:
        """The CRC-32 of a clip's frames when they were written.

        Raises:
            GymQAError: the clip is not in the cache.
        """
        return self._entry(clip_id).crc32

    def damaged(self) -> list[str]:
        """Ids of clips whose frames do not match their CRC-32; reads the whole cache."""
        return damaged(self._data, self._entries.values())

    def _sound(self, clip_id: str) -> IndexEntry:
        """A clip's entry, once its frames were found to match their checksum; checked at the clip's first use.

        Raises:
            GymQAError: the clip is not in the cache, or its frames are damaged.
        """
        entry = self._entry(clip_id)
        if clip_id not in self._checked:
            if not is_sound(self._data, entry):
                raise GymQAError(
                    f"the frames of clip {clip_id} in {self.folder} are damaged; run the `gymqa cache` that made them "
                    "again with --verify, which decodes such clips anew"
                )
            self._checked.add(clip_id)
        return entry

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
        decoder: Decoder = "pyav",
        image_fps: float | None = None,
    ) -> "FrameCache":
        """Decode the clips that are not cached yet and return the cache; clips that failed before are retried.

        A cache of an earlier version (see `gymqa.frames.cache_format.READING`) is made anew.

        Args:
            folder: folder of the cache, new or existing.
            clip_ids: clips to cache; existing ones are kept.
            path_of: maps a clip id to its video file.
            size: short side of the frames in pixels; squares are cut out of their middle when they are read.
            max_frames: frames kept of a longer clip, evenly spaced.
            workers: number of processes; None means one per core, 1 runs in this process if there are no limits.
            format: raw or jpeg; None keeps the format of an existing cache, and chooses raw for a new one if the
                squares of all clips take at most `RAW_LIMIT` bytes.
            verify: compare every existing clip with its CRC-32, and decode damaged ones again.
            limits: time and memory limits of one clip; a clip that exceeds them fails, and its process is killed.
            decoder: as in `gymqa.frames.video.decode`; the frames are the same.
            image_fps: frames per second of clips that are folders of images.

        Raises:
            GymQAError: sizes or workers are below 1, the folder holds a cache of other settings, is being built by
                another process or is not writable, or the disk is full; the existing cache is then kept.
        """
        if min(size, max_frames) < 1:
            raise GymQAError(f"no frame cache can hold {max_frames} frames of {size} pixels; give 1 or more of both")
        if image_fps is not None and not 0 < image_fps < math.inf:
            raise GymQAError(f"images cannot be shown {image_fps} times per second; give --image_fps above 0")
        wanted, processes = list(dict.fromkeys(clip_ids)), worker_count(workers)
        with only_writer(require_writable(folder), "the frame cache"):
            settings = settings_for(folder, CacheSettings(size, max_frames, image_fps=image_fps), format, len(wanted))
            add_clips(folder, wanted, path_of, settings, processes, verify, limits, decoding_by(decoder))
        return FrameCache(folder)


def _require_indices(entries: Sequence[IndexEntry], indices: Indices) -> None:
    """Check that clips have these frames [B, N].

    Raises:
        IndexError: a clip has fewer frames.
    """
    lengths = np.array([entry.frames for entry in entries], np.int64)
    if ((indices < 0) | (indices >= lengths[:, None])).any():
        raise IndexError(f"clips of {lengths.tolist()} frames have no frames {indices.tolist()}")


RAW_LIMIT = 8 << 30  # bytes; raw frames are fastest as long as they fit into memory


def settings_for(folder: Path, wanted: CacheSettings, format: FrameFormat | None, clips: int) -> CacheSettings:
    """The settings of the cache in `folder`, or of the one to be created there.

    Raises:
        GymQAError: the existing cache has other settings.
    """
    found, _ = read_index(folder)
    by_size: FrameFormat = "raw" if clips * wanted.clip_bytes <= RAW_LIMIT else "jpeg"
    settings = replace(wanted, format=format or (found.format if found else by_size))
    if found is not None and replace(found, reading=READING) != settings:
        raise GymQAError(f"the frame cache {folder} was built with {found}, not {settings}; choose another folder")
    return settings
