"""Cluster bootstrap over source videos: means and other statistics with 95 % intervals.

Questions cut from one video share athlete, arena and camera, so they are not independent: resampling single questions
would give intervals that are too narrow. Whole videos are drawn with replacement instead (the cluster bootstrap,
Field & Welsh 2007). Scores may be fractions, so expected values of guessing baselines are handled alike.

With few videos the plain percentile interval is too short by the factor that separates a normal from a t interval;
its level is widened for that (Hesterberg 2015, "expanded percentile").
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

RESAMPLES = 10_000
_BLOCK = 2_000_000  # weights in memory at once: 16 MB


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


def bootstrap(
    value: float,
    statistic: Callable[[FloatArray], FloatArray],
    n_clusters: int,
    resamples: int = RESAMPLES,
    seed: int = 0,
    reflect: bool = False,
) -> Interval:
    """Expanded percentile interval of `statistic` over resampled clusters, inside [0, 1].

    Args:
        value: the statistic on the original data.
        statistic: from weights [r, G] to values [r]; it is called on blocks of resamples.
        n_clusters: G. With one cluster the interval is all of [0, 1].
        resamples: number of bootstrap resamples.
        seed: of the resampling.
        reflect: mirror the resampled values at `value` ("basic" bootstrap, Davison & Hinkley 1997), which removes the
            bias of resampling; for statistics such as mAP that rise when items are repeated.
    """
    if n_clusters < 2:
        return Interval(value, 0.0, 1.0)
    values = np.concatenate([statistic(weights) for weights in weight_blocks(n_clusters, resamples, seed)])
    low, high = expanded_ends(2 * value - values if reflect else values, n_clusters).clip(0.0, 1.0)
    return Interval(value, float(low), float(high))


def expanded_ends(values: FloatArray, n_clusters: int) -> FloatArray:
    """The ends of the expanded percentile interval, [2] or [2, K], of resampled values [r] or [r, K]."""
    tail = tail_fraction(n_clusters)
    return np.asarray(np.quantile(values, (tail, 1 - tail), axis=0))


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

    Raises:
        ValueError: no scores, or scores and videos differ in number.
    """
    if len(scores) == 0 or len(scores) != len(video_ids):
        raise ValueError(f"{len(scores)} scores for {len(video_ids)} videos")
    cluster, n_clusters = cluster_index(video_ids)
    sums = cluster_sums(scores, cluster, n_clusters)  # [G, K]
    counts = np.bincount(cluster, minlength=n_clusters).astype(np.float64)  # [G]
    blocks = weight_blocks(n_clusters, resamples, seed)
    return np.concatenate([(weights @ sums) / (weights @ counts)[:, None] for weights in blocks]), n_clusters


def cluster_sums(scores: FloatArray, cluster: IntArray, n_clusters: int) -> FloatArray:
    """Sums [G, K] of scores [n, K] within the clusters [n]."""
    sums = np.zeros((n_clusters, scores.shape[1]))
    np.add.at(sums, cluster, scores)
    return sums


def tail_fraction(n_clusters: int) -> float:
    """Fraction of resamples left out at each end: 0.025 for very many clusters, less for few.

    It is the normal tail beyond sqrt(G/(G-1)) · t(0.975, G-1), t by its Cornish-Fisher expansion (within 1 % from
    G = 5 on).
    """
    normal, freedom = NormalDist(), n_clusters - 1
    z = normal.inv_cdf(0.975)
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return normal.cdf(-t * math.sqrt(n_clusters / freedom))


def mean_interval(
    scores: Sequence[float] | FloatArray, video_ids: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Mean score with its clustered 95 % interval.

    Args:
        scores: [n] in [0, 1]; 0 or 1 for an answer, a fraction for an expected value.
        video_ids: [n], the source video of each score.
        resamples: number of bootstrap resamples.
        seed: of the resampling.

    Raises:
        ValueError: no scores, or scores and videos differ in number.
    """
    points = np.asarray(scores, dtype=np.float64).reshape(-1, 1)  # [n, 1]
    drawn, n_clusters = resampled_means(points, video_ids, resamples, seed)
    value = float(points.mean())
    if n_clusters < 2:
        return Interval(value, 0.0, 1.0)
    low, high = expanded_ends(drawn[:, 0], n_clusters).clip(0.0, 1.0)
    return Interval(value, float(low), float(high))
