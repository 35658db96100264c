"""Temporal gradients: what changes from one frame to the next, computed from the frame cache where it is looked at."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices
from gymqa.frames.source import FrameSource


class GradientFrames:
    """A FrameSource of a clip's temporal gradient: frame i + 1 minus frame i, halved, plus 128.

    There are as many as frames; the last one is shown twice. A clip of one frame has a gradient of nothing, 128.

    Args:
        source: frames in colours.
    """

    modality: Modality = "gradient"

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    @property
    def folder(self) -> Path:
        """Of the frames it is computed from."""
        return self._source.folder

    @property
    def size(self) -> int:
        """Pixels of a side of the square frames."""
        return self._source.size

    @property
    def format(self) -> str:
        """How the frames it is computed from are kept."""
        return self._source.format

    @property
    def failures(self) -> Mapping[str, str]:
        """Why clips that were wanted have no frames, by clip id."""
        return self._source.failures

    def fingerprint(self) -> dict[str, Any]:
        """The frames', and that it is their gradient."""
        return {**self._source.fingerprint(), "modality": self.modality}

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._source

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""
        return self._source.lengths(clip_ids)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Chosen gradients of many clips at once: indices [B, N] -> uint8 [B, N, S, S, 3].

        Raises:
            GymQAError: a clip has no frames.
            IndexError: a clip has fewer frames.
        """
        last = self.lengths(clip_ids)[:, None] - 1
        first = np.where(indices == last, np.maximum(last - 1, 0), indices)  # what is too large is refused below
        both = self._source.gather(clip_ids, np.concatenate([first, np.minimum(first + 1, np.maximum(last, first))], 1))
        before, after = np.split(both.astype(np.int16), 2, axis=1)
        return (((after - before) >> 1) + 128).astype(np.uint8)
