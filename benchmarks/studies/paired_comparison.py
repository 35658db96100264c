"""Paired differences in Top-1 of two models on the same clips, with an exact sign-flip test over few clusters.

The test flips the sign of each cluster's difference (Fisher's randomization test): with nine people, estimates of
spread are unreliable. Intervals and the correction for several tests of one table are those of `eval.stats.comparison`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import permutation_test

from eval.stats.bootstrap import FloatArray, cluster_index
from eval.stats.comparison import difference_interval, holm

FLIPS = 9_999  # drawn; up to 13 clusters all are tried


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more of the clips the first model gets right.

    Attributes:
        mean: in [-1, 1].
        ci_low, ci_high: the 95 % interval, by sign flips of clusters (`eval.stats.sign_flip`).
        p: probability of a difference as large if the models were alike, two-sided.
        p_holm: the same, corrected for the other comparisons of the table.
    """

    mean: float
    ci_low: float
    ci_high: float
    p: float
    p_holm: float


def compare(
    points: Mapping[str, FloatArray], pairs: Sequence[tuple[str, str]], clusters: Sequence[str]
) -> dict[str, Difference]:
    """Compare models in pairs.

    Args:
        points: of each model, for every clip the fraction [n] of its runs that got it right.
        pairs: names of models; the second is taken from the first.
        clusters: what clips share, a video or a person, [n].

    Returns:
        By "first - second".
    """
    found = {f"{first} - {second}": _difference(points[first], points[second], clusters) for first, second in pairs}
    adjusted = holm([difference.p for difference in found.values()])
    return {name: replace(one, p_holm=p) for (name, one), p in zip(found.items(), adjusted, strict=True)}


def _difference(first: FloatArray, second: FloatArray, clusters: Sequence[str]) -> Difference:
    """The difference, not yet corrected for others."""
    interval = difference_interval(first, second, clusters)
    p = sign_flip_p(first - second, clusters)
    return Difference(interval.value, interval.low, interval.high, p, p)


def sign_flip_p(differences: FloatArray, clusters: Sequence[str]) -> float:
    """Two-sided p of a mean difference of zero: the signs of whole clusters' sums are flipped.

    With up to 13 clusters all flips are tried, else 9,999 are drawn. One cluster says nothing: 1.
    `eval.stats.sign_flip` is the same test with draws of its own; this one stays because the
    studies' figures were made with it.
    """
    cluster, n_clusters = cluster_index(clusters)
    if n_clusters < 2:
        return 1.0
    sums = np.bincount(cluster, weights=differences, minlength=n_clusters)
    found = permutation_test(
        (sums,), np.sum, permutation_type="samples", n_resamples=FLIPS, vectorized=True, rng=np.random.default_rng(0)
    )
    return float(found.pvalue)
