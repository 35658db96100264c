"""Scores clustered by source video: means and other statistics with 95 % intervals; bootstrap resamples of videos.

Questions cut from one video share athlete, arena and camera, so they are not independent: treating them as such would
give intervals that are too narrow. Intervals leave out whole videos (`eval.stats.jackknife`); resamples draw whole
videos with replacement (the cluster bootstrap, Field & Welsh 2007). Scores may be fractions, so expected values of
guessing baselines are handled alike.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from eval.stats.jackknife import jackknife_ends

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RESAMPLES = 10_000
_BLOCK = 2_000_000  # weights in memory at once: 16 MB
_NOISE = 1e-12  # of floating-point sums


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its 95 % interval; in [0, 1], or in [-1, 1] for a difference."""

    value: float
    low: float
    high: float


def cluster_index(names: Sequence[str]) -> tuple[IntArray, int]:
    """Number the clusters 0 … G-1 by sorted name, independent of the order of the items.

    Returns:
        The cluster of each item, int [n], and G.
    """
    unique, index = np.unique(np.asarray(names, dtype=np.str_), return_inverse=True)
    return index.astype(np.int64), len(unique)


def cluster_sums(scores: FloatArray, cluster: IntArray, n_clusters: int) -> FloatArray:
    """Sums [G, K] of scores [n, K] within the clusters [n], none of which is empty."""
    order = np.argsort(cluster, kind="stable")
    starts = np.searchsorted(cluster[order], np.arange(n_clusters))
    return np.asarray(np.add.reduceat(scores[order], starts, axis=0))


def mean_interval(scores: Sequence[float] | FloatArray, video_ids: Sequence[str]) -> Interval:
    """Mean score with its clustered 95 % interval.

    With one video it is all of [0, 1]. It is never shorter than that of independent questions, so its length is zero
    only where every score is one and the same fraction between 0 and 1: an expected value, known without sampling.

    Args:
        scores: [n] in [0, 1]; 0 or 1 for an answer, a fraction for an expected value.
        video_ids: [n], the source video of each score.

    Raises:
        ValueError: no scores, or scores and videos differ in number.
    """
    points = np.asarray(scores, dtype=np.float64)
    (found,) = slice_intervals(points, np.ones((len(points), 1)), video_ids)
    return found


def slice_intervals(scores: FloatArray, inside: FloatArray, video_ids: Sequence[str]) -> list[Interval]:
    """Mean score of each of K slices of the items, with its clustered 95 % interval (as `mean_interval`).

    Args:
        scores: [n] in [0, 1].
        inside: 1 for the items of a slice, else 0; [n, K]. No slice is empty.
        video_ids: [n].

    Raises:
        ValueError: no scores, or scores and videos differ in number.
    """
    if len(scores) == 0 or len(scores) != len(video_ids):
        raise ValueError(f"{len(scores)} scores for {len(video_ids)} videos")
    cluster, n_clusters = cluster_index(video_ids)
    own = inside * scores[:, None]  # [n, K]
    sums, counts = cluster_sums(own, cluster, n_clusters), cluster_sums(inside, cluster, n_clusters)  # [G, K]
    values = sums.sum(axis=0) / counts.sum(axis=0)
    ends = mean_ends(sums, (own**2).sum(axis=0), counts)
    return [Interval(*map(float, one)) for one in zip(values, *ends, strict=True)]


def mean_ends(sums: FloatArray, squares: FloatArray, counts: FloatArray) -> FloatArray:
    """Ends of the clustered 95 % intervals of K means, [2, K].

    Args:
        sums: of the scores within each video, [G, K].
        squares: sums of the squared scores, [K].
        counts: scores of each video, [G, K], 0 for a video without any.
    """
    total, n = sums.sum(axis=0), counts.sum(axis=0)  # [K]
    values = total / n
    without = (total - sums) / np.maximum(n - counts, 1.0)  # [G, K]
    variance = np.where((spread := squares / n - values**2) > _NOISE, spread, 0.0)
    return jackknife_ends(values, without, counts, np.sqrt(variance / n))


def statistic_interval(
    value: float, statistic: Callable[[FloatArray], FloatArray], video_ids: Sequence[str]
) -> Interval:
    """Clustered 95 % interval of any smooth statistic in [0, 1], such as mAP.

    Args:
        value: the statistic of all items.
        statistic: from weights of the videos [r, G], in the order of `cluster_index`, to values [r].
        video_ids: [n], the source video of each item.
    """
    cluster, n_clusters = cluster_index(video_ids)
    if n_clusters < 2:
        return Interval(value, 0.0, 1.0)
    rows = max(1, _BLOCK // n_clusters)
    kept = (np.arange(start, min(start + rows, n_clusters)) for start in range(0, n_clusters, rows))
    without = np.concatenate([statistic((np.arange(n_clusters) != left[:, None]).astype(np.float64)) for left in kept])
    sizes = np.bincount(cluster, minlength=n_clusters).astype(np.float64)[:, None]  # [G, 1]
    alike = np.abs(without - value).max() < _NOISE  # then the jackknife says nothing of how sure the value is
    least = np.array([np.inf if alike else 0.0])
    low, high = jackknife_ends(np.array([value]), without[:, None], sizes, least)[:, 0]
    return Interval(value, float(low), float(high))


def weight_blocks(n_clusters: int, resamples: int, seed: int) -> Iterator[FloatArray]:
    """Yield float [r, G]: how often each cluster is drawn in each of r resamples; every row sums to G.

    The same seed gives the same resamples for every model on the same videos, whatever the block size.
    """
    rng = np.random.default_rng(seed)
    uniform = np.full(n_clusters, 1.0 / n_clusters)
    rows = max(1, _BLOCK // n_clusters)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        yield rng.multinomial(n_clusters, uniform, size=size).astype(np.float64)


def resampled_means(
    scores: FloatArray, video_ids: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> tuple[FloatArray, int]:
    """Means of several scores over the same resamples of videos.

    Args:
        scores: [n, K].
        video_ids: [n].
        resamples: r.
        seed: of the resampling.

    Returns:
        float [r, K], and the number of videos.
    """
    cluster, n_clusters = cluster_index(video_ids)
    sums = cluster_sums(scores, cluster, n_clusters)  # [G, K]
    counts = np.bincount(cluster, minlength=n_clusters).astype(np.float64)  # [G]
    blocks = weight_blocks(n_clusters, resamples, seed)
    return np.concatenate([(weights @ sums) / (weights @ counts)[:, None] for weights in blocks]), n_clusters
