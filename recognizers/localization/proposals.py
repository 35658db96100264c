"""Temporal actionness grouping (TAG): proposals from an actionness curve; IoU and non-maximum suppression of spans.

Source: Zhao et al., "Temporal Action Detection with Structured Segment Networks" (ICCV'17), section 5, a watershed
algorithm: at each threshold τ, runs of snippets above it are basins; from each basin on, the next ones are absorbed as
long as basins cover at least the fraction γ of the whole.
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
    """Length of the intersection of each of P spans with each of G others: [P, G]."""
    ends = np.minimum(spans[:, None, 1], others[None, :, 1])
    return np.asarray(np.maximum(ends - np.maximum(spans[:, None, 0], others[None, :, 0]), 0.0))


def suppress(spans: Spans, scores: NDArray[np.float64], overlap: float) -> NDArray[np.int64]:
    """Non-maximum suppression: indices of the kept spans, by falling score.

    Args:
        spans: [P, 2].
        scores: [P]; ties keep their order.
        overlap: IoU above which the lower score is suppressed.
    """
    if not len(spans):
        return np.empty(0, np.int64)
    by_start = np.argsort(spans[:, 0], kind="stable")
    starts, lengths = spans[by_start, 0], spans[:, 1] - spans[:, 0]
    # starts of spans that can overlap by more lie between these, for speed with thousands of proposals
    first = np.searchsorted(starts, spans[:, 0] - lengths * (1 / max(overlap, 1e-9) - 1) - 1e-6)
    last = np.searchsorted(starts, spans[:, 0] + lengths * (1 - overlap) + 1e-6, side="right")
    free, kept = np.ones(len(spans), bool), []
    for best in np.argsort(-scores, kind="stable"):
        if free[best]:
            kept.append(best)
            near = by_start[first[best] : last[best]]
            free[near[overlaps(spans[best : best + 1], spans[near])[0] > overlap]] = False
    return np.array(kept, np.int64)


def basins(actionness: NDArray[np.float64], threshold: float) -> Spans:
    """Maximal runs of snippets whose actionness [T] is at least the threshold: [B, 2], ends exclusive."""
    above = np.concatenate([[False], actionness >= threshold, [False]])
    edges = np.flatnonzero(above[1:] != above[:-1])
    return edges.reshape(-1, 2).astype(np.float64)


def group_basins(found: Spans, coverage: float) -> Spans:
    """Merge each basin with following ones while the covered fraction is at least `coverage`: [B, 2] -> [B, 2]."""
    starts, ends = found.T
    covered = np.concatenate([[0.0], np.cumsum(ends - starts)])
    last, growing = np.arange(len(found)), np.arange(len(found) - 1)
    while len(growing):
        next_one = last[growing] + 1
        least = (coverage - 1e-12) * (ends[next_one] - starts[growing])
        growing = growing[covered[next_one + 1] - covered[growing] >= least]
        last[growing] += 1
        growing = growing[last[growing] + 1 < len(found)]
    return np.stack([starts, ends[last]], 1)


def group_actionness(actionness: NDArray[np.float64], config: GroupingConfig) -> Spans:
    """Proposals of one video over all thresholds, near-duplicates suppressed by mean actionness.

    Args:
        actionness: [T] in [0, 1].
        config: thresholds, and the IoU of near-duplicates.

    Returns:
        [P, 2] in snippets, ends exclusive; none where no snippet is above the lowest threshold.
    """
    thresholds = np.arange(config.step, 1.0 - 1e-9, config.step)
    by_threshold = [basins(actionness, threshold) for threshold in thresholds]
    parts = [group_basins(found, coverage) for found in by_threshold if len(found) for coverage in thresholds]
    if not parts:
        return np.empty((0, 2))
    spans = np.unique(np.concatenate(parts), axis=0)
    summed = np.concatenate([[0.0], np.cumsum(actionness)])
    first, last = spans.astype(np.int64).T
    means = (summed[last] - summed[first]) / (last - first)
    return spans[suppress(spans, means, config.overlap)]
