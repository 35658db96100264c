"""Frames whose pixels hold their number, so that a test sees which were shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.frames.modality import Modality
from gymqa.frames.sampling import ClipTimes, Indices
from gymqa.frames.video import Frames

LENGTHS = {"a": 5, "b": 8, "c": 2, "d": 1}
ELEMENTS = {"a": 0, "b": 0, "c": 1, "d": 2}


class NumberedFrames:
    """Frames whose every pixel is (number of the clip, number of the frame, 0)."""

    def __init__(self) -> None:
        self.size, self.failures = 2, {"lost": "it is empty"}
        self.folder, self.format = Path("numbered"), "raw"
        self.modality: Modality = "rgb"

    def fingerprint(self) -> dict[str, Any]:
        return {"size": 2, "max_frames": 8}

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in LENGTHS

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        return np.array([LENGTHS[clip] for clip in clip_ids], np.int64)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        assert (indices < self.lengths(clip_ids)[:, None]).all() and (indices >= 0).all()
        frames = np.zeros((*indices.shape, 2, 2, 3), np.uint8)
        frames[..., 0] = np.array([list(LENGTHS).index(clip) for clip in clip_ids])[:, None, None, None]
        frames[..., 1] = indices[:, :, None, None]
        return frames

    def whole(self, clip_id: str, indices: Indices) -> Frames:
        return np.repeat(self.gather([clip_id], indices[None])[0], 2, 2)  # twice as wide as high

    def times(self, clip_id: str) -> ClipTimes | None:
        return ClipTimes(10, LENGTHS[clip_id] / 10, LENGTHS[clip_id], LENGTHS[clip_id])
