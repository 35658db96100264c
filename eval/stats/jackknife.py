"""Jackknife 95 % intervals of proportions and other statistics in [0, 1], leaving out one source video at a time.

The standard error is the delete-a-cluster jackknife's, which is not too small where clusters differ in size (CV3 in
MacKinnon, Nielsen & Webb 2023, "Cluster-robust inference: A guide to empirical practice"). The interval is a t interval
on the logit scale (Korn & Graubard 1999, "Analysis of Health Surveys", section 3.2), which stays inside [0, 1] and is
longer on the side of 1/2. At 0 and 1, where nothing varies, it is Clopper & Pearson's (1934) with the effective sample
size in the place of n (Korn & Graubard 1998, Survey Methodology 24): the effective number of clusters, since one
cluster's questions may all have one cause.

Degrees of freedom f are those of a variance estimate with its own relative variance, 2/f = 2/(k - 1) + excess
kurtosis/k (moments of the sample variance; Satterthwaite 1946). k = (Σ n)² / Σ n² is Kish's (1965) effective number of
clusters of sizes n. The kurtosis is that of the clusters' residuals: where few clusters hold most of the errors, as at
high accuracy, the standard error is known less well than k promises. benchmarks/studies/statistics_check.py has
coverages.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, ndtri, stdtrit

_Array = npt.NDArray[np.float64]

LEVEL = 0.05
_LEAST_FREEDOM = 1e-3  # one cluster that has nearly all: an interval of nearly [0, 1]
_NOISE = 1e-12  # of floating-point sums


def jackknife_ends(values: _Array, without: _Array, sizes: _Array, least: _Array) -> _Array:
    """Ends of the 95 % intervals of K statistics.

    Args:
        values: the statistics, [K], in [0, 1].
        without: the statistics with one cluster left out, [G, K].
        sizes: items of each cluster that a statistic is of, [G, K]; 0 where the cluster has no part in it.
        least: standard errors that no interval falls below, [K]: those of independent items.

    Returns:
        float [2, K] in [0, 1]; all of [0, 1] for a statistic of fewer than two clusters.
    """
    present = sizes > 0
    n_clusters = present.sum(axis=0)
    deviations = np.where(present, without - values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt((deviations**2).sum(axis=0) * (n_clusters - 1) / n_clusters)
        t = stdtrit(degrees_of_freedom(deviations, sizes), 1 - LEVEL / 2)
        half = np.fmax(np.where(error > _NOISE, t * error, 0.0), ndtri(1 - LEVEL / 2) * least)
        stretch = half / (values * (1 - values))
        ends = np.stack([expit(logit(values) - stretch), expit(logit(values) + stretch)])  # [2, K]
        farthest = 1 - (LEVEL / 2) ** (1 / kish_size(sizes))  # Clopper & Pearson's end for none of k
    lowest, highest = values <= _NOISE, values >= 1 - _NOISE
    ends[:, lowest] = np.stack([np.zeros_like(farthest), farthest])[:, lowest]
    ends[:, highest] = np.stack([1 - farthest, np.ones_like(farthest)])[:, highest]
    ends[:, n_clusters < 2] = np.array([[0.0], [1.0]])
    return np.asarray(ends)


def kish_size(sizes: _Array) -> _Array:
    """Kish's effective number of clusters (1965, "Survey Sampling") of sizes [G, K]: (Σ n)² / Σ n², [K]."""
    return np.asarray(sizes.sum(axis=0) ** 2 / (sizes**2).sum(axis=0))


def degrees_of_freedom(deviations: _Array, sizes: _Array) -> _Array:
    """Degrees of freedom [K] of the jackknife variance; see the head of this file.

    Args:
        deviations: of the statistics without one cluster from those with all, [G, K].
        sizes: of the clusters, [G, K], 0 for one that has no part.
    """
    n_clusters = (sizes > 0).sum(axis=0)
    residuals = deviations * (sizes.sum(axis=0) - sizes) / np.sqrt(np.maximum(sizes, 1.0))  # alike whatever the sizes
    squares = (residuals**2).sum(axis=0)
    kurtosis = np.where(squares > 0, n_clusters * (residuals**4).sum(axis=0) / squares**2, 3.0)
    excess = np.maximum(kurtosis - 3.0, 0.0)
    effective = kish_size(sizes)
    return np.maximum(1 / (1 / (effective - 1) + excess / (2 * effective)), _LEAST_FREEDOM)
