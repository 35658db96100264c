"""Frames and their flow together, for models of two streams."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import frames_of, require_flow_of
from gymqa.frames.modality import Modality, require_modality
from gymqa.frames.sampling import Indices


class JointFrames:
    """A FrameSource that joins a flow cache and the frame cache that it was computed from: red, green, blue, x, y.

    Args:
        flow: of `gymqa flow`; it names the frames.

    Raises:
        GymQAError: the frames are not where they were, or are not those any more.
    """

    modality: Modality = "rgb+flow"

    def __init__(self, flow: FrameCache) -> None:
        self._flow, self._frames = flow, FrameCache(frames_of(flow.folder))
        require_modality("rgb", self._frames)
        require_flow_of(flow.folder, self._frames)

    @property
    def folder(self) -> Path:
        """The flow's."""
        return self._flow.folder

    @property
    def size(self) -> int:
        """Pixels of a side of the square frames."""
        return self._flow.size

    @property
    def format(self) -> str:
        """How both are kept."""
        return f"{self._frames.format}+{self._flow.format}"

    @property
    def failures(self) -> Mapping[str, str]:
        """Why clips that were wanted lack frames or flow, by clip id."""
        return {**self._flow.failures, **self._frames.failures}

    def fingerprint(self) -> dict[str, Any]:
        """The flow's, and that the frames are there, too."""
        return {**self._flow.fingerprint(), "modality": self.modality}

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._flow and clip_id in self._frames

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""
        return self._frames.lengths(clip_ids)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Chosen frames of many clips at once, with their flow: indices [B, N] -> uint8 [B, N, S, S, 5].

        Raises:
            GymQAError: a clip has no frames or no flow.
            IndexError: a clip has fewer frames.
        """
        return np.concatenate([one.gather(clip_ids, indices) for one in (self._frames, self._flow)], -1)
