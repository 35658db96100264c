"""Frames of a clip as shown to a model: evenly spaced indices, read from the frame cache under a control."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.adapters.request import Request
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, ControlledFrames, Shown, shown_of
from gymqa.frames.sampling import Indices, uniform
from gymqa.frames.source import FrameSource
from gymqa.frames.views import source_of


class ClipFrames:
    """Evenly spaced frames of each clip; a shorter clip repeats some.

    Args:
        source: the frame cache or a view of it.
        n_frames: frames per clip.

    Raises:
        GymQAError: fewer than one frame.
    """

    def __init__(self, source: FrameSource, n_frames: int) -> None:
        if n_frames < 1:
            raise GymQAError(f"{n_frames} frames cannot be sampled from a clip; give 1 or more, or ask without video")
        self._source, self.n_frames = source, n_frames

    def why_unseen(self, clip_id: str) -> str | None:
        """The reason why a clip has no frames; None where it has."""
        if clip_id in self._source:
            return None
        return self._source.failures.get(clip_id, f"no frames of clip {clip_id}; put it into the frame cache")

    def indices(self, clip_ids: Sequence[str]) -> Indices:
        """Frame indices of the clips in the source [B, N]."""
        return np.stack([uniform(int(length), self.n_frames) for length in self._source.lengths(clip_ids)])

    def shown(self, clip_id: str) -> Shown:
        """Clip id and frame indices that are shown for a clip, in order; a control may change both."""
        return shown_of(self._source, clip_id, self.indices([clip_id])[0])

    def take(self, clip_ids: Sequence[str]) -> NDArray[np.uint8]:
        """Frames of several clips: uint8 [B, N, S, S, 3], RGB."""
        return self._source.gather(clip_ids, self.indices(clip_ids))

    def fingerprint(self) -> Mapping[str, Any]:
        """Return everything the frames depend on, as JSON values."""
        return {"n_frames": self.n_frames, **self._source.fingerprint()}


def require_frames(request: Request) -> None:
    """Refuse controls that need frames where none were given.

    Raises:
        GymQAError: no --frames.
    """
    for control in request.controls:
        shown(control, request)


def shown(control: str, request: Request) -> ClipFrames | None:
    """The frames under a control; None without video.

    Raises:
        GymQAError: no --frames.
    """
    if control == NO_VIDEO:
        return None
    if request.frames is None:
        raise GymQAError(
            f"{request.name} needs frames; give --frames, the folder of `gymqa cache`, or evaluate it under the "
            "control no-video"
        )
    source = ControlledFrames(source_of("rgb", request.frames), control, request.control_seed, request.elements)
    return ClipFrames(source, request.options.n_frames)
