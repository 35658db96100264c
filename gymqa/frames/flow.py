"""Optical flow: how far every pixel moves from one frame to the next, computed once into a cache like that of frames.

A field has two channels, x (to the right) and y (downward), in pixels of the cached frames: -20…20 px as 0…255, farther
movements cut. Field i leads from frame i to frame i + 1; the last one comes twice, so that a clip has as many fields as
frames and every index means the same moment in both caches.

TV-L1: Zach, Pock, Bischof (DAGM'07), as two-stream networks use it; OpenCV's contrib modules have it.
DIS: Kroeger et al. (ECCV'16, arXiv 1603.03590), many times as fast; in every OpenCV.
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
"""In a flow cache's folder: where the frames lie that it was computed from, as seen from there."""
Fields = NDArray[np.float32]  # [t, S, S, 2]


class _Method(Protocol):
    """An OpenCV object that computes flow."""

    def calc(self, before: Any, after: Any, flow: None) -> Any:
        """Two grey pictures [S, S] to float32 [S, S, 2]."""


def flow_fields(frames: Frames, method: FlowMethod) -> Fields:
    """The flow from each frame of a clip to the next: uint8 [t, S, S, 3] -> float32 [t, S, S, 2], pixels.

    The last field comes twice; a clip of one frame does not move.

    Raises:
        GymQAError: TV-L1 is not installed.
        cv2.error: OpenCV cannot take frames this small.
    """
    fields = np.zeros((*frames.shape[:3], 2), np.float32)
    grey = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames]
    computer = _computer(method)
    with one_thread():
        for place in range(len(frames) - 1):
            fields[place] = computer.calc(grey[place], grey[place + 1], None)
    if len(frames) > 1:
        fields[-1] = fields[-2]
    return fields


def to_bytes(fields: Fields) -> Frames:
    """Fields in pixels as they are kept: -20…20 px to 0…255, what is farther cut; no movement is 128."""
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
    """Compute the flow of the cached clips that have none yet, and return its cache.

    Clips that failed before are tried again; those whose frames did not decode fail for the same reason.

    Args:
        folder: where the flow lies or will lie.
        frames: folder of the frame cache, which is read and not changed.
        method: tvl1 or dis.
        workers: processes; None takes one a core, 1 works in this process where there are no limits.
        format: raw or jpeg, as of `FrameCache.build`.
        verify: compare every clip that is there with its CRC-32, and compute the damaged ones again.
        limits: of one clip, in time and memory.

    Raises:
        GymQAError: no frame cache, TV-L1 without OpenCV's contrib modules, the folder holds flow of another method or
            of other frames or of ones that changed since, is being written by another process, or cannot be written to.
    """
    source = FrameCache(frames)
    require_modality("rgb", source)
    _computer(method)
    clips, processes = [*source.clip_ids, *source.failures], worker_count(workers)
    with only_writer(require_writable(folder), "the flow cache"):
        wanted = CacheSettings(source.size, source.max_frames, modality="flow", method=method)
        settings = settings_for(folder, wanted, format, len(clips))
        _note_source(folder, frames)
        require_flow_of(folder, source)
        making = FrameProducer("optical flow", _flow_clip, _begin)
        add_clips(folder, clips, lambda clip: frames, settings, processes, verify, limits, making)
    return FrameCache(folder)


def frames_folder_of(folder: Path) -> Path:
    """The folder of the frames that a flow cache was computed from.

    Raises:
        GymQAError: it does not say.
    """
    values = read_json(folder / SOURCE)
    if not isinstance(values, dict) or not isinstance(values.get("frames"), str):
        raise GymQAError(f"{folder / SOURCE} does not name the frames; compute the flow again with `gymqa flow`")
    return folder / values["frames"]


def require_flow_of(folder: Path, frames: FrameCache) -> None:
    """Check that every clip's flow was computed from the frames that are there now; clips may have been added to them.

    Args:
        folder: of the flow.
        frames: that it should be of.

    Raises:
        GymQAError: frames changed since, or the flow does not note what it was computed from.
    """
    _, entries = read_index(folder)
    there = (entry for entry in entries if entry.failure is None and entry.clip_id in frames)
    changed = [entry.clip_id for entry in there if entry.of != frames.checksum(entry.clip_id)]
    if changed:
        raise GymQAError(
            f"{folder} is not the flow of the frames in {frames.folder} any more ({len(changed)} clips, as "
            f"{changed[0]}); compute it again into another folder"
        )


def _note_source(folder: Path, frames: Path) -> None:
    """Write where the frames lie, or check that it is where they lay before.

    Raises:
        GymQAError: the flow there is of other frames.
    """
    if (folder / SOURCE).exists():
        before = frames_folder_of(folder)
        if before.resolve() != frames.resolve():
            raise GymQAError(f"{folder} holds the flow of {before}, not of {frames}; choose another folder")
        return
    write_json(folder / SOURCE, {"frames": os.path.relpath(frames.resolve(), folder.resolve())})


def _flow_clip(settings: CacheSettings, task: Task) -> PackedClip:
    """Compute and pack one clip's flow."""
    clip_id, frames = task
    index = (frames / INDEX).stat()
    source = _opened(frames, index.st_mtime_ns, index.st_size)
    if clip_id not in source:
        return PackedClip(clip_id, failure=source.failures[clip_id])
    method: FlowMethod = "dis" if settings.method == "dis" else "tvl1"
    try:
        packed = pack_clip(clip_id, to_bytes(flow_fields(source.get(clip_id), method)), settings)
    except (cv2.error, GymQAError) as error:
        reason = " ".join(str(error).split())
        return PackedClip(clip_id, failure=f"no flow of {settings.size} px frames by {method}: {reason}")
    return replace(packed, of=source.checksum(clip_id))


def _begin() -> None:
    """Nothing: OpenCV is there, and its threads are set where it computes."""


@lru_cache(maxsize=1)
def _opened(folder: Path, changed: int, size: int) -> FrameCache:
    """A frame cache, opened once a process as long as its index, of this time (ns) and size (bytes), stays."""
    return FrameCache(folder)


def _computer(method: FlowMethod) -> _Method:
    """OpenCV's object of a method, with its own settings; a new one for each clip, for small frames change DIS's.

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
            "TV-L1 is one of OpenCV's contrib modules, which another OpenCV in this environment hides; leave "
            "opencv-contrib-python-headless alone in it, or take --method dis"
        )
    tvl1: _Method = contrib.DualTVL1OpticalFlow_create()
    return tvl1


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV computes in one thread meanwhile: there are as many processes as cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
