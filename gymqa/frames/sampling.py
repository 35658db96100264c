"""Temporal sampling of frame indices: uniform (TSN), dense with a stride (I3D), dual-level elements (SeFAR).

Frames of a clip that is too short are repeated; it is never replaced by another clip.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

Indices = NDArray[np.int64]


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
