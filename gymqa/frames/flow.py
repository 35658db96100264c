"""Compute the optical flow of cached frames (TV-L1 or DIS) into a flow cache, and check that it matches its frames.

A flow field has two channels, x (right) and y (down), in pixels of the cached frames: -20…20 px are stored as 0…255,
larger motion is clipped. Field i is the motion from frame i to frame i + 1; the last one is repeated, so a clip has
as many fields as frames and an index means the same moment in both caches.

TV-L1: Zach, Pock, Bischof (DAGM'07), the usual choice of two-stream networks; part of OpenCV's contrib modules.
DIS: Kroeger et al. (ECCV'16, arXiv 1603.03590), many times faster; part of every OpenCV.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache, settings_for
from gymqa.frames.cache_build import FrameProducer, PackedClip, Task, add_clips, pack_clip
from gymqa.frames.cache_format import INDEX, CacheSettings, FrameFormat, read_index
from gymqa.frames.source import require_modality
from gymqa.frames.video import Frames
from gymqa.io.files import only_writer, read_json, write_json
from gymqa.runtime.runs import require_writable
from gymqa.runtime.workers import UNLIMITED, Limits, worker_count

FlowMethod = Literal["tvl1", "dis"]
LIMIT = 20.0  # pixels
SOURCE = "source.json"
"""File in a flow cache's folder with the relative path of the frames that the flow was computed from."""
Fields = NDArray[np.float32]  # [t, S, S, 2]


class _Method(Protocol):
    """An OpenCV object that computes optical flow."""

    def calc(self, before: Any, after: Any, flow: None) -> Any:
        """Flow from one grey image [S, S] to another: float32 [S, S, 2]."""


def flow_fields(frames: Frames, method: FlowMethod) -> Fields:
    """Optical flow from each frame of a clip to the next: uint8 [t, S, S, 3] -> float32 [t, S, S, 2], pixels.

    The last field is repeated; the flow of a single frame is 0.

    Raises:
        GymQAError: TV-L1 is not installed.
        cv2.error: the frames are too small for OpenCV.
    """
    fields = np.zeros((*frames.shape[:3], 2), np.float32)
    grey = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames]
    computer = _computer(method)
    with one_thread():
        for index in range(len(frames) - 1):
            fields[index] = computer.calc(grey[index], grey[index + 1], None)
    if len(frames) > 1:
        fields[-1] = fields[-2]
    return fields


def to_bytes(fields: Fields) -> Frames:
    """Quantize flow fields for storage: -20…20 px to 0…255, larger values clipped; 0 becomes 128."""
    return np.round((np.clip(fields, -LIMIT, LIMIT) / LIMIT + 1) * 127.5).astype(np.uint8)


def build_flow(
    folder: Path,
    frames: Path,
    method: FlowMethod = "tvl1",
    workers: int | None = None,
    format: FrameFormat | None = None,
    verify: bool = False,
    limits: Limits = UNLIMITED,
) -> FrameCache:
    """Compute the flow of the cached clips that have none yet, and return the flow cache.

    Clips that failed before are retried; clips whose frames did not decode fail for the same reason.

    Args:
        folder: folder of the flow cache, new or existing.
        frames: folder of the frame cache, which is only read.
        method: tvl1 or dis.
        workers: number of processes; None means one per core, 1 runs in this process if there are no limits.
        format: raw or jpeg, as in `FrameCache.build`.
        verify: compare every existing clip with its CRC-32, and compute damaged ones again.
        limits: time and memory limits of one clip.

    Raises:
        GymQAError: there is no frame cache; TV-L1 without OpenCV's contrib modules; the folder holds flow of another
            method, of other frames or of frames that have changed, is in use by another process, or is not writable.
    """
    source = FrameCache(frames)
    require_modality("rgb", source)
    _computer(method)
    clips, processes = [*source.clip_ids, *source.failures], worker_count(workers)
    with only_writer(require_writable(folder), "the flow cache"):
        wanted = CacheSettings(source.size, source.max_frames, modality="flow", method=method)
        settings = settings_for(folder, wanted, format, len(clips))
        _record_source(folder, frames)
        require_flow_of(folder, source)
        producer = FrameProducer("optical flow", _flow_clip, _begin)
        add_clips(folder, clips, lambda clip: frames, settings, processes, verify, limits, producer)
    return FrameCache(folder)


def frames_folder_of(folder: Path) -> Path:
    """The folder of the frame cache that a flow cache was computed from.

    Raises:
        GymQAError: the flow cache does not record it.
    """
    values = read_json(folder / SOURCE)
    if not isinstance(values, dict) or not isinstance(values.get("frames"), str):
        raise GymQAError(f"{folder / SOURCE} does not name the frames; compute the flow again with `gymqa flow`")
    return folder / values["frames"]


def require_flow_of(folder: Path, frames: FrameCache) -> None:
    """Check that every clip's flow was computed from the current frames; the frame cache may have more clips.

    Args:
        folder: folder of the flow cache.
        frames: the frame cache.

    Raises:
        GymQAError: frames have changed, or the flow does not record what it was computed from.
    """
    _, entries = read_index(folder)
    there = (entry for entry in entries if entry.failure is None and entry.clip_id in frames)
    changed = [entry.clip_id for entry in there if entry.source_crc32 != frames.checksum(entry.clip_id)]
    if changed:
        raise GymQAError(
            f"{folder} is no longer the flow of the frames in {frames.folder} ({len(changed)} clips differ, such as "
            f"{changed[0]}); compute it again into another folder"
        )


def _record_source(folder: Path, frames: Path) -> None:
    """Record the folder of the frames, or check that it is the recorded one.

    Raises:
        GymQAError: the existing flow was computed from other frames.
    """
    if (folder / SOURCE).exists():
        before = frames_folder_of(folder)
        if before.resolve() != frames.resolve():
            raise GymQAError(f"{folder} holds the flow of {before}, not of {frames}; choose another folder")
        return
    write_json(folder / SOURCE, {"frames": os.path.relpath(frames.resolve(), folder.resolve())})


def _flow_clip(settings: CacheSettings, task: Task) -> PackedClip:
    """Compute and encode one clip's flow."""
    clip_id, frames = task
    index = (frames / INDEX).stat()
    source = _open_cached(frames, index.st_mtime_ns, index.st_size)
    if clip_id not in source:
        return PackedClip(clip_id, failure=source.failures[clip_id])
    method: FlowMethod = "dis" if settings.method == "dis" else "tvl1"
    try:
        packed = pack_clip(clip_id, to_bytes(flow_fields(source.get(clip_id), method)), settings)
    except (cv2.error, GymQAError) as error:
        reason = " ".join(str(error).split())
        return PackedClip(clip_id, failure=f"no flow of {settings.size} px frames by {method}: {reason}")
    return replace(packed, source_crc32=source.checksum(clip_id))


def _begin() -> None:
    """Nothing to initialize: OpenCV is imported, and its threads are limited where it computes."""


@lru_cache(maxsize=1)
def _open_cached(folder: Path, changed: int, size: int) -> FrameCache:
    """A frame cache, opened once per process while its index keeps this time (ns) and size (bytes)."""
    return FrameCache(folder)


def _computer(method: FlowMethod) -> _Method:
    """OpenCV's flow object with default settings; a new one per clip, because small frames change DIS's settings.

    Raises:
        GymQAError: TV-L1 is not installed.
    """
    if method == "dis":
        made: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis: _Method = made
        return dis
    contrib = getattr(cv2, "optflow", None)
    if contrib is None:
        raise GymQAError(
            "TV-L1 is one of OpenCV's contrib modules, which another OpenCV package in this environment hides; keep "
            "only opencv-contrib-python-headless installed, or choose --method dis"
        )
    tvl1: _Method = contrib.DualTVL1OpticalFlow_create()
    return tvl1


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit OpenCV to one thread inside the block, because there are as many processes as cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
