"""Temporal sampling of frame indices: uniform (TSN), dense (I3D), dual-level (SeFAR), by rate; ClipTimes of frames.

Frames of a clip that is too short are repeated, other than by rate; it is never replaced by another clip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

Indices = NDArray[np.int64]
Seconds = NDArray[np.float64]
SAME_TIME = 1e-3  # seconds by which time stamps are rounded in some containers


@dataclass(frozen=True, slots=True)
class ClipTimes:
    """When the kept frames of a clip are shown, in seconds from its first frame.

    Attributes:
        fps: frames per second of the video; of a varying rate the one that they have at their densest.
        duration: of the video, seconds.
        source_frames: number of frames that the video shows, of which up to `frames` are kept, evenly spaced.
        frames: number of kept frames.
        stamps: time of each kept frame where they are not those of a constant rate.
    """

    fps: float
    duration: float
    source_frames: int
    frames: int
    stamps: tuple[float, ...] = ()

    @classmethod
    def of(cls, fps: float, duration: float, source_frames: int, seconds: Sequence[float]) -> "ClipTimes":
        """The times of kept frames at these seconds, which are kept themselves where the rate varies."""
        times = cls(fps, round(duration, 6), source_frames, len(seconds))
        even = not seconds or np.allclose(times.seconds, seconds, rtol=0, atol=SAME_TIME)
        return times if even else cls(*times._rate, tuple(round(second, 6) for second in seconds))

    @property
    def _rate(self) -> tuple[float, float, int, int]:
        return self.fps, self.duration, self.source_frames, self.frames

    @property
    def seconds(self) -> Seconds:
        """Time of each kept frame, seconds [t]."""
        return np.array(self.stamps) if self.stamps else kept(self.source_frames, self.frames) / self.fps

    def to_json(self) -> dict[str, Any]:
        """The fields of an index line, without the number of frames."""
        stamps = {"stamps": list(self.stamps)} if self.stamps else {}
        return {"fps": self.fps, "duration": self.duration, "source_frames": self.source_frames, **stamps}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], frames: int) -> "ClipTimes":
        """Parse the fields of an index line.

        Raises:
            ValueError: they are none of `frames` frames.
        """
        stamps = tuple(float(stamp) for stamp in value.get("stamps", ()))
        times = cls(float(value["fps"]), float(value["duration"]), int(value["source_frames"]), frames, stamps)
        if times.fps <= 0 or times.source_frames < frames or (stamps and len(stamps) != frames):
            raise ValueError(f"{value} are no times of {frames} frames")
        return times


def kept(n_frames: int, max_frames: int | None) -> Indices:
    """Indices of the frames that are kept of a clip, evenly spaced: all [n_frames], or [max_frames] of a longer one."""
    return np.arange(n_frames) if max_frames is None or n_frames <= max_frames else uniform(n_frames, max_frames)


def at_rate(times: ClipTimes, fps: float, max_frames: int) -> Indices:
    """Frames of a clip at a rate, evenly spaced in time, each the one that is nearest, none twice.

    Args:
        times: of the clip's kept frames.
        fps: frames per second, above 0.
        max_frames: most frames; of a longer clip the rate is lowered.

    Returns:
        increasing indices of kept frames [n]; n is the clip's duration times `fps`, rounded, at least 1 and at most
        `max_frames` and the number of frames that the video shows.

    Raises:
        GymQAError: too few frames were kept.
    """
    n = min(max(1, round(times.duration * fps)), max_frames, times.source_frames)
    if n > times.frames:
        raise GymQAError(
            f"{n} frames at {fps:g} per second are wanted of a clip of {times.duration:.1f} s, of which {times.frames} "
            f"are kept; make the frame cache anew with --max_frames {n} or more"
        )
    wanted = (np.arange(n) + 0.5) * times.duration / n + 1e-6  # of two that are as near, the later
    middles = times.seconds + 0.5 / times.fps
    return np.unique(np.abs(middles[None] - wanted[:, None]).argmin(1))


def uniform(n_frames: int, n: int) -> Indices:
    """The middle frame of each of `n` equal segments of a clip.

    Args:
        n_frames: frames in the clip, at least 1.
        n: frames to sample, at least 1; with n > n_frames some frames are repeated.

    Returns:
        `n` non-decreasing indices into the clip.
    """
    _check(n_frames, n)
    return _in_spans(n_frames, n, np.full(n, 0.5))


def spans_of_elements(combination: Sequence[int]) -> list[Indices]:
    """Assign the N = sum(combination) equal segments of a clip to temporal elements (SeFAR, dual-level elements).

    The last element (the context) takes every (N / n_k)-th segment; then the first, the second, … pick evenly from
    those left. {2-2-4}: the context takes 0 2 4 6, the first fine element 1 5, the second 3 7. If the division is not
    exact, the i-th pick of n among m segments is number floor(i m / n).
    """
    if not combination or min(combination) < 1:
        raise GymQAError(f"elements {tuple(combination)}: each temporal element needs a frame, as in (2, 2, 4)")
    left = np.arange(sum(combination))
    picked: list[Indices] = []
    for size in (combination[-1], *combination[:-1]):
        positions = np.arange(size) * len(left) // size
        picked.append(left[positions])
        left = np.delete(left, positions)
    return [*picked[1:], picked[0]]


def dual_level(
    n_frames: int, combination: Sequence[int] = (2, 2, 4), rng: np.random.Generator | None = None, within: float = 0.5
) -> list[Indices]:
    """Frame indices of the dual-level temporal elements of one clip (SeFAR, section "Dual-level elements").

    Args:
        n_frames: frames in the clip, at least 1.
        combination: frames of each element, fine-grained ones first, the context last.
        rng: samples a random frame inside each segment (training); None takes the position `within` (testing).
        within: position inside each segment, in [0, 1); the middle by default.

    Returns:
        One index array per element, in the order of `combination`, each in temporal order.
    """
    n = sum(combination)
    _check(n_frames, n)
    frames = _in_spans(n_frames, n, np.full(n, within) if rng is None else rng.random(n))
    return [frames[spans] for spans in spans_of_elements(combination)]


def dense(n_frames: int, n: int, stride: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
    """`n` frames with a stride from one start (I3D, SlowFast); the last frame of a short clip is repeated.

    Args:
        n_frames: frames in the clip, at least 1.
        n: frames to sample.
        stride: distance between sampled frames.
        rng: samples a random start (training); None takes the position `within` (testing).
        within: position of the start between the earliest and the latest possible, in [0, 1); the middle by default.
    """
    _check(n_frames, n)
    room = max(0, n_frames - (n - 1) * stride - 1)
    start = int((within if rng is None else rng.random()) * (room + 1))
    return np.minimum(start + stride * np.arange(n), n_frames - 1)


def _in_spans(n_frames: int, n: int, within: NDArray[np.float64]) -> Indices:
    """One frame in each of `n` equal segments, at the fraction `within` (in [0, 1)) of the segment."""
    frames = ((np.arange(n) + within) * n_frames / n).astype(np.int64)
    return np.minimum(frames, n_frames - 1)


def _check(n_frames: int, n: int) -> None:
    if n_frames < 1:
        raise GymQAError("a clip without frames cannot be sampled; check that its video decodes")
    if n < 1:
        raise GymQAError(f"{n} frames cannot be sampled; give 1 or more")
