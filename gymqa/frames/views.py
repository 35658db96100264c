"""Open the FrameSource of a modality; temporal gradients and RGB joined with flow, computed from caches on access."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import frames_folder_of, require_flow_of
from gymqa.frames.modality import Modality, channels
from gymqa.frames.pose_cache import PoseCache
from gymqa.frames.sampling import Indices
from gymqa.frames.source import FrameSource, require_modality


class GradientFrames:
    """A FrameSource of temporal gradients: frame i + 1 minus frame i, halved, plus 128.

    A clip has as many gradients as frames; the last one is repeated. The gradient of a single frame is 128.

    Args:
        source: RGB frames.
    """

    modality: Modality = "gradient"

    def __init__(self, source: FrameSource) -> None:
        self._source = source

    @property
    def folder(self) -> Path:
        """Folder of the frames that the gradients are computed from."""
        return self._source.folder

    @property
    def size(self) -> int:
        """Side of the square frames in pixels."""
        return self._source.size

    @property
    def format(self) -> str:
        """Storage format of the frames that the gradients are computed from."""
        return self._source.format

    @property
    def failures(self) -> Mapping[str, str]:
        """Clip id -> reason why the clip has no frames."""
        return self._source.failures

    def fingerprint(self) -> dict[str, Any]:
        """The frames' fingerprint with the modality."""
        return {**self._source.fingerprint(), "modality": self.modality}

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._source

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""
        return self._source.lengths(clip_ids)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Selected gradients of a batch of clips: indices [B, N] -> uint8 [B, N, S, S, 3].

        Raises:
            GymQAError: a clip has no frames.
            IndexError: a clip has fewer frames.
        """
        last = self.lengths(clip_ids)[:, None] - 1
        # indices that are too large are refused below
        first = np.where(indices == last, np.maximum(last - 1, 0), indices)
        both = self._source.gather(clip_ids, np.concatenate([first, np.minimum(first + 1, np.maximum(last, first))], 1))
        before, after = np.split(both.astype(np.int16), 2, axis=1)
        return (((after - before) >> 1) + 128).astype(np.uint8)


def source_of(modality: Modality, folder: Path, instead: str = "") -> "FrameSource":
    """Open the FrameSource of a modality, for a model or its training.

    Args:
        modality: modality of the model or of its training.
        folder: folder of `gymqa cache` (rgb, gradient), `gymqa flow` (flow, rgb+flow) or `gymqa poses` (pose).
        instead: as in `require_modality`.

    Raises:
        GymQAError: the folder does not hold the modality.
    """
    channels(modality)
    if modality == "pose":
        return PoseCache(folder)
    cache = FrameCache(folder)
    kept: dict[Modality, Modality] = {"gradient": "rgb", "rgb+flow": "flow"}
    require_modality(kept.get(modality, modality), cache, instead=instead)
    if modality == "rgb+flow":
        return JointFrames(cache)
    return GradientFrames(cache) if modality == "gradient" else cache


class JointFrames:
    """A FrameSource that concatenates RGB frames and their flow: channels red, green, blue, x, y.

    Args:
        flow: a flow cache, which records the folder of its frames.

    Raises:
        GymQAError: the frames have been moved or have changed.
    """

    modality: Modality = "rgb+flow"

    def __init__(self, flow: FrameCache) -> None:
        self._flow, self._frames = flow, FrameCache(frames_folder_of(flow.folder))
        require_modality("rgb", self._frames)
        require_flow_of(flow.folder, self._frames)

    @property
    def folder(self) -> Path:
        """Folder of the flow cache."""
        return self._flow.folder

    @property
    def size(self) -> int:
        """Side of the square frames in pixels."""
        return self._flow.size

    @property
    def format(self) -> str:
        """Storage formats of both."""
        return f"{self._frames.format}+{self._flow.format}"

    @property
    def failures(self) -> Mapping[str, str]:
        """Clip id -> reason why the clip lacks frames or flow."""
        return {**self._flow.failures, **self._frames.failures}

    def fingerprint(self) -> dict[str, Any]:
        """The flow's fingerprint with the modality."""
        return {**self._flow.fingerprint(), "modality": self.modality}

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self._flow and clip_id in self._frames

    def lengths(self, clip_ids: Sequence[str]) -> NDArray[np.int64]:
        """Number of frames of each clip [B]."""
        return self._frames.lengths(clip_ids)

    def gather(self, clip_ids: Sequence[str], indices: Indices) -> NDArray[np.uint8]:
        """Selected frames of a batch of clips with their flow: indices [B, N] -> uint8 [B, N, S, S, 5].

        Raises:
            GymQAError: a clip has no frames or no flow.
            IndexError: a clip has fewer frames.
        """
        return np.concatenate([one.gather(clip_ids, indices) for one in (self._frames, self._flow)], -1)
