"""Which frames of a clip are looked at: pure index arithmetic, apart from decoding.

A clip that is too short repeats frames; it is never replaced by another clip.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

Indices = NDArray[np.int64]


def uniform(n_frames: int, n: int) -> Indices:
    """The middle frame of each of `n` equal spans of a clip.

    Args:
        n_frames: frames in the clip, at least 1.
        n: frames wanted, at least 1; with n > n_frames some frames come more than once.

    Returns:
        `n` non-decreasing indices into the clip.
    """
    _check(n_frames, n)
    return _in_spans(n_frames, n, np.full(n, 0.5))


def spans_of_elements(combination: Sequence[int]) -> list[Indices]:
    """Which of the N = sum(combination) equal spans each temporal element takes (SeFAR, dual-level elements).

    The last element (the context) takes every (N / n_k)-th span; then the first, the second, … pick evenly from
    those left. {2-2-4}: the context takes 0 2 4 6, the first fine element 1 5, the second 3 7. Where the division
    leaves a rest, the i-th pick of n among m spans is number floor(i m / n).
    """
    if not combination or min(combination) < 1:
        raise GymQAError(f"elements {tuple(combination)}: each temporal element needs a frame, as in (2, 2, 4)")
    left = np.arange(sum(combination))
    picked: list[Indices] = []
    for size in (combination[-1], *combination[:-1]):
        places = np.arange(size) * len(left) // size
        picked.append(left[places])
        left = np.delete(left, places)
    return [*picked[1:], picked[0]]


def dual_level(
    n_frames: int,
    combination: Sequence[int] = (2, 2, 4),
    rng: np.random.Generator | None = None,
    within: float = 0.5,
) -> list[Indices]:
    """Frame indices of the dual-level temporal elements of one clip (SeFAR, section "Dual-level elements").

    Args:
        n_frames: frames in the clip, at least 1.
        combination: frames of each element, fine-grained ones first, the context last.
        rng: draws one frame inside each span (training); None takes the same in all (testing).
        within: where in each span that is, in [0, 1); its middle by default.

    Returns:
        One index array an element, in the order of `combination`, each in temporal order.
    """
    n = sum(combination)
    _check(n_frames, n)
    frames = _in_spans(n_frames, n, np.full(n, within) if rng is None else rng.random(n))
    return [frames[spans] for spans in spans_of_elements(combination)]


def dense(n_frames: int, n: int, stride: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
    """`n` frames, `stride` apart, from some moment of a clip on (I3D, SlowFast); a short clip's last frame is repeated.

    Args:
        n_frames: frames in the clip, at least 1.
        n: frames wanted.
        stride: from one to the next.
        rng: draws the moment (training); None takes the same in all (testing).
        within: where that is between the earliest and the latest possible, in [0, 1); the middle by default.
    """
    _check(n_frames, n)
    room = max(0, n_frames - (n - 1) * stride - 1)
    start = int((within if rng is None else rng.random()) * (room + 1))
    return np.minimum(start + stride * np.arange(n), n_frames - 1)


def _in_spans(n_frames: int, n: int, within: NDArray[np.float64]) -> Indices:
    """One frame in each of `n` equal spans, at the fraction `within` (in [0, 1)) of the span."""
    frames = ((np.arange(n) + within) * n_frames / n).astype(np.int64)
    return np.minimum(frames, n_frames - 1)


def _check(n_frames: int, n: int) -> None:
    if n_frames < 1:
        raise GymQAError("a clip without frames cannot be sampled; check that its video decodes")
    if n < 1:
        raise GymQAError(f"{n} frames were asked for; at least one is needed")
