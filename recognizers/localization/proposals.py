"""Temporal actionness grouping (TAG): from a curve of actionness to stretches that may hold an action.

Source: Zhao et al., "Temporal Action Detection with Structured Segment Networks" (ICCV'17), section 5. A flooded
curve's basins, turned upside down: at each threshold τ, stretches of snippets above it are basins; from each basin on,
the next ones are absorbed as long as basins cover at least the share γ of the whole.
"""

import numpy as np
from numpy.typing import NDArray

from recognizers.localization.config import GroupingConfig

Spans = NDArray[np.float64]  # [P, 2]: start and end


def overlaps(spans: Spans, others: Spans) -> NDArray[np.float64]:
    """Intersection over union of each of P spans with each of G others: [P, G]."""
    shared = intersections(spans, others)
    lengths, other_lengths = spans[:, 1] - spans[:, 0], others[:, 1] - others[:, 0]
    return np.asarray(shared / np.maximum(lengths[:, None] + other_lengths[None] - shared, 1e-12))


def intersections(spans: Spans, others: Spans) -> NDArray[np.float64]:
    """How much each of P spans shares with each of G others: [P, G]."""
    ends = np.minimum(spans[:, None, 1], others[None, :, 1])
    return np.asarray(np.maximum(ends - np.maximum(spans[:, None, 0], others[None, :, 0]), 0.0))


def suppress(spans: Spans, scores: NDArray[np.float64], overlap: float) -> NDArray[np.int64]:
    """Non-maximum suppression: which spans stay, the surest first; of two that overlap by more, the surer one.

    Args:
        spans: [P, 2].
        scores: [P]; equally sure ones count in the order given.
        overlap: IoU.
    """
    left, kept = np.argsort(-scores, kind="stable"), []
    while len(left):
        best = left[0]
        kept.append(best)
        left = left[1:][overlaps(spans[best : best + 1], spans[left[1:]])[0] <= overlap]
    return np.array(kept, np.int64)


def basins(actionness: NDArray[np.float64], threshold: float) -> Spans:
    """The longest runs of snippets whose actionness [T] is at least the threshold: [B, 2], ends exclusive."""
    above = np.concatenate([[False], actionness >= threshold, [False]])
    edges = np.flatnonzero(above[1:] != above[:-1])
    return edges.reshape(-1, 2).astype(np.float64)


def grouped(found: Spans, share: float) -> Spans:
    """From each basin on, as many of the next as keep the covered share at `share` or above: [B, 2]."""
    starts, ends = found.T
    covered = np.concatenate([[0.0], np.cumsum(ends - starts)])
    of_whole = (covered[None, 1:] - covered[:-1, None]) / np.where(ends[None] > starts[:, None],
                                                                  ends[None] - starts[:, None], 1.0)  # fmt: skip
    too_little = np.triu(of_whole < share - 1e-12)  # [first, last]
    stops = np.where(too_little.any(1), too_little.argmax(1), len(found))
    return np.stack([starts, ends[stops - 1]], 1)


def group_actionness(actionness: NDArray[np.float64], config: GroupingConfig) -> Spans:
    """Proposals of one video, in snippets: those of all thresholds, without near-doubles, the surest first.

    How sure one is counts only for which of two near-doubles is kept: its mean actionness.

    Args:
        actionness: [T] in [0, 1].
        config: thresholds, and from what overlap on two are doubles.

    Returns:
        [P, 2] in snippets, ends exclusive; none where no snippet is above the lowest threshold.
    """
    thresholds = np.arange(config.step, 1.0 - 1e-9, config.step)
    by_threshold = [basins(actionness, threshold) for threshold in thresholds]
    parts = [grouped(found, share) for found in by_threshold if len(found) for share in thresholds]
    if not parts:
        return np.empty((0, 2))
    spans = np.unique(np.concatenate(parts), axis=0)
    summed = np.concatenate([[0.0], np.cumsum(actionness)])
    first, last = spans.astype(np.int64).T
    means = (summed[last] - summed[first]) / (last - first)
    return spans[suppress(spans, means, config.overlap)]
