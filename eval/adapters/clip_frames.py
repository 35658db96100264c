"""Whole frames of a clip as shown to a model, with their times: evenly spaced, or at a rate; under a control."""

import math
from collections.abc import Mapping
from typing import Any

from eval.adapters.request import AdapterOptions, Request
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, ControlledFrames, Shown, shown_of
from gymqa.frames.sampling import ClipTimes, Indices, at_rate, uniform
from gymqa.frames.source import FrameSource, whole_frames
from gymqa.frames.video import Frames
from gymqa.frames.views import source_of


class ClipFrames:
    """Whole frames of each clip: so many of every clip, evenly spaced, or at a rate.

    Args:
        source: the frame cache, or one under a control.
        n_frames: frames per clip; a shorter clip repeats some.
        fps: frames per second, in place of `n_frames`; no frame is repeated.
        max_frames: most frames of a clip that are shown at a rate; of a longer one the rate is lowered.

    Raises:
        GymQAError: fewer than one frame, no rate, or a source without whole frames.
    """

    def __init__(self, source: FrameSource, n_frames: int, fps: float | None = None, max_frames: int = 64) -> None:
        if min(n_frames, max_frames) < 1:
            fewest = min(n_frames, max_frames)
            raise GymQAError(f"{fewest} frames cannot be sampled from a clip; give 1 or more, or ask without video")
        if fps is not None and not 0 < fps < math.inf:
            raise GymQAError(f"frames cannot be sampled at {fps} per second; give --options.fps above 0")
        self._source, self.n_frames, self._fps, self._max_frames = whole_frames(source), n_frames, fps, max_frames

    def why_unseen(self, clip_id: str) -> str | None:
        """The reason why a clip has no frames; None where it has."""
        if clip_id not in self._source:
            return self._source.failures.get(clip_id, f"no frames of clip {clip_id}; put it into the frame cache")
        if self._fps is not None and self.times(clip_id) is None:
            return f"the frame rate of clip {clip_id} is not known; cache its images with --image_fps"
        return None

    def indices(self, clip_id: str) -> Indices:
        """Frame indices of a clip in the source [N].

        Raises:
            GymQAError: too few frames of it were kept for the rate.
        """
        times = self.times(clip_id)
        if self._fps is None or times is None:
            return uniform(int(self._source.lengths([clip_id])[0]), self.n_frames)
        try:
            return at_rate(times, self._fps, self._max_frames)
        except GymQAError as error:
            raise GymQAError(f"clip {clip_id} in {self._source.folder}: {error}") from None

    def shown(self, clip_id: str) -> Shown:
        """Clip id and frame indices that are shown for a clip, in order; a control may change both."""
        return shown_of(self._source, clip_id, self.indices(clip_id))

    def take(self, clip_id: str) -> Frames:
        """The frames that are shown of a clip: uint8 [N, H, W, 3], RGB."""
        return self._source.whole(clip_id, self.indices(clip_id))

    def times(self, clip_id: str) -> ClipTimes | None:
        """Times of a clip's frames in the source; None where they are not known."""
        return self._source.times(clip_id)

    def seconds(self, clip_id: str) -> list[float] | None:
        """When each of the frames of `take` is shown, in seconds from the clip's start; None where it is not known."""
        times = self.times(clip_id)
        return None if times is None else [float(second) for second in times.seconds[self.indices(clip_id)]]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return everything the frames depend on, as JSON values."""
        chosen: dict[str, Any] = {"n_frames": self.n_frames}
        if self._fps is not None:
            chosen = {"fps": self._fps, "most": self._max_frames}
        return {**chosen, "picture": "whole", **self._source.fingerprint()}


def stamp(second: float) -> str:
    """The text before an image that is shown at a second of the clip."""
    return f"{second:.2f} s "


def require_frames(request: Request) -> None:
    """Refuse controls that need frames where none were given.

    Raises:
        GymQAError: no --frames.
    """
    for control in request.controls:
        shown(control, request)


def shown_frames(options: AdapterOptions) -> int | None:
    """How many frames of every clip are shown; None at a rate, where that depends on the clip."""
    return options.n_frames if options.fps is None else None


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
    options = request.options
    return ClipFrames(source, options.n_frames, options.fps, options.max_frames)
