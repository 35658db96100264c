"""Paired comparison of models on the same questions: differences, tests, rank ranges, minimum detectable difference.

Questions of one video are not independent, so videos are split and resampled, not questions, and identically for every
model: what is hard for all of them cancels out of a difference. Decisions, ranks and intervals rest on the sign-flip
test of `eval.stats.sign_flip` alone. The bootstrap, which is anti-conservative in the tails and for few videos, and
McNemar's test, which assumes independent questions, are reported beside because others use them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from eval.stats.bootstrap import RESAMPLES, FloatArray, Interval, cluster_index, cluster_sums, resampled_means
from eval.stats.sign_flip import sampled_p, split_videos

LEVEL = 0.05
_COARSE = 100  # of a p on fewer disagreeing sampled splits, more are sampled: it is known to 10 % or worse
_TAIL = 10  # splits then expected to disagree where p is at the smallest threshold of Holm's correction


@dataclass(frozen=True, slots=True)
class Comparison:
    """Difference of two models on the same questions, with tests.

    Attributes:
        first, second: names of models.
        difference: of their mean scores, in [-1, 1], with the 95 % interval that goes with p_flip.
        p_mcnemar: McNemar's exact test, two-sided; None where a score is neither 0 nor 1.
        p_bootstrap: of a zero difference, two-sided, from its standard error over the resampled videos.
        p_flip: of a zero difference, by the sign-flip test over videos; this one decides.
        p_holm: p_flip after Holm's correction for all comparisons made together.
    """

    first: str
    second: str
    difference: Interval
    p_mcnemar: float | None
    p_bootstrap: float
    p_flip: float
    p_holm: float

    @property
    def better(self) -> str | None:
        """The model that is better at the 5 % level, after correction; None where undecided."""
        if self.p_holm >= LEVEL:
            return None
        return self.first if self.difference.value > 0 else self.second


def compare_all(
    scores: Mapping[str, FloatArray], videos: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> list[Comparison]:
    """Compare every pair of models.

    Holm's correction asks the smallest of C p-values to be below 0.05 / C. So that sampled splits can say so of any
    number of models, a pair with few disagreeing splits has its p from 10 · C / 0.05 of them, where that is more.

    Args:
        scores: of each model [n] in [0, 1], of the same questions in the same order.
        videos: [n], the source video of each question.
        resamples: number of bootstrap resamples, and of sampled splits (at least).
        seed: of the resampling.

    Raises:
        ValueError: no questions, or not one score of each model a question.
    """
    pairs = list(combinations(scores, 2))
    if not pairs:
        return []
    columns = _columns(scores, videos)  # [n, M]
    drawn, n_videos = resampled_means(columns, videos, resamples, seed)  # [r, M]
    splits = split_videos(columns, videos, resamples, seed)
    column_of = {name: index for index, name in enumerate(scores)}
    columns_of = [(column_of[first], column_of[second]) for first, second in pairs]
    p_flips = [splits.p(*pair) for pair in columns_of]
    coarse = [pair for pair, p in zip(columns_of, p_flips, strict=True) if p * len(splits.counts) < _COARSE]
    finer: dict[tuple[int, int], float] = {}
    if splits.drawn and coarse:
        draws = max(resamples, math.ceil(_TAIL * len(pairs) / LEVEL))
        finer = dict(zip(coarse, sampled_p(columns, videos, coarse, draws, seed), strict=True))
    found = []
    for (first, second), (i, j), p_split in zip(pairs, columns_of, p_flips, strict=True):
        difference = splits.interval(i, j)
        p_mcnemar = mcnemar_p(scores[first], scores[second])
        p_bootstrap = _spread_p(difference.value, drawn[:, i] - drawn[:, j], n_videos)
        p = finer.get((i, j), p_split)
        found.append(Comparison(first, second, difference, p_mcnemar, p_bootstrap, p, p))
    adjusted = holm([one.p_flip for one in found])
    return [replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True)]


def difference_interval(
    first: FloatArray, second: FloatArray, videos: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """The difference of two models' mean scores [n], with its 95 % interval, in [-1, 1].

    Raises:
        ValueError: no questions, or not one score of each model a question.
    """
    columns = _columns({"first": first, "second": second}, videos)
    return split_videos(columns, videos, resamples, seed).interval(0, 1)


def rank_ranges(
    scores: Mapping[str, FloatArray], videos: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, tuple[int, int]]:
    """Range of ranks of each model, best and worst, from 1; see `ranges_of`.

    Raises:
        ValueError: as `compare_all`.
    """
    return ranges_of(scores, compare_all(scores, videos, resamples, seed))


def ranges_of(models: Iterable[str], comparisons: Sequence[Comparison]) -> dict[str, tuple[int, int]]:
    """Range of ranks of each model, from 1: behind those significantly better, before those significantly worse.

    Holm's correction keeps the chance of any wrong decision at 5 %, so all ranges together hold the true ranks with
    95 % (Mogstad, Romano, Shaikh & Wilhelm 2024, "Inference for Ranks").
    """
    names = list(models)
    decided = [one for one in comparisons if one.better is not None]
    wins = {name: sum(one.better == name for one in decided) for name in names}
    losses = {name: sum(one.better != name and name in (one.first, one.second) for one in decided) for name in names}
    return {name: (1 + losses[name], len(names) - wins[name]) for name in names}


def minimum_detectable_difference(
    scores: Mapping[str, FloatArray], videos: Sequence[str], power: float = 0.8, level: float = LEVEL
) -> float:
    """The smallest true difference of two models that this set of questions detects with the given power.

    z(1 - level/2) · spread + t(power) · standard error (Bloom 1995, "Minimum Detectable Effects"), t with one degree of
    freedom less than there are videos, the standard error that of a paired difference, clustered by video: the largest
    among the models given. The sign-flip test measures the spread about zero, not about the difference d: spread² =
    standard error² + d² · Σ (fraction of the questions in a video)². One model alone stands for two that err
    independently of each other, √2 of its own.

    Args:
        scores: of each model [n] in [0, 1].
        videos: [n].
        power: probability of detecting the difference.
        level: of the two-sided test.

    Returns:
        In [0, 1]; 1 where there are too few videos for any.

    Raises:
        ValueError: no model, no questions, or not one score of each model a question.
    """
    columns = _columns(scores, videos)
    errors = [clustered_error(columns[:, i] - columns[:, j], videos) for i, j in combinations(range(len(scores)), 2)]
    error = max(errors, default=0.0) or math.sqrt(2) * max(clustered_error(one, videos) for one in columns.T)
    cluster, n_videos = cluster_index(videos)
    fractions = np.bincount(cluster) / len(videos)
    z, t = float(ndtri(1 - level / 2)), float(stdtrit(max(1, n_videos - 1), power))
    left = 1 - z**2 * float((fractions**2).sum())  # of d² when (d - t · error)² = z² · spread² is solved for d
    if left <= 0:
        return 1.0
    return min(1.0, error * (t + math.sqrt(t**2 - left * (t**2 - z**2))) / left)


def clustered_error(values: FloatArray, videos: Sequence[str]) -> float:
    """Clustered jackknife standard error of the mean of values [n]; NaN for one video.

    Unlike the sandwich, the jackknife is not too small where videos have unequal numbers of questions (CV3 in
    MacKinnon, Nielsen & Webb 2023, "Cluster-robust inference: A guide to empirical practice").
    """
    cluster, n_clusters = cluster_index(videos)
    if n_clusters < 2:
        return math.nan
    sums = cluster_sums(np.asarray(values, dtype=np.float64)[:, None], cluster, n_clusters)[:, 0]  # [G]
    counts = np.bincount(cluster, minlength=n_clusters)  # [G]
    without = (sums.sum() - sums) / (counts.sum() - counts)  # [G]
    return math.sqrt(float(((without - values.mean()) ** 2).sum()) * (n_clusters - 1) / n_clusters)


def mcnemar_p(first: FloatArray, second: FloatArray) -> float | None:
    """P-value of McNemar's exact test, two-sided, on the questions that only one model gets right.

    None where a score is neither 0 nor 1.
    """
    scores = np.stack([first, second])
    if not np.isin(scores, (0.0, 1.0)).all():
        return None
    ours, theirs = int((scores[0] > scores[1]).sum()), int((scores[1] > scores[0]).sum())
    return min(1.0, 2 * float(bdtr(min(ours, theirs), ours + theirs, 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    left = len(order) - np.arange(len(order))
    adjusted = np.minimum(np.maximum.accumulate(np.asarray(p_values, float)[order] * left), 1.0)
    return [float(adjusted[index]) for index in np.argsort(order, kind="stable")]


def _columns(scores: Mapping[str, FloatArray], videos: Sequence[str]) -> FloatArray:
    """The models' scores as [n, M]."""
    lengths = {len(column) for column in scores.values()}
    if lengths != {len(videos)} or not videos:
        raise ValueError(f"scores of {sorted(lengths)} questions for {len(videos)} videos")
    return np.stack([np.asarray(column, dtype=np.float64) for column in scores.values()], axis=1)


def _spread_p(value: float, resampled: FloatArray, n_videos: int) -> float:
    """Two-sided p-value of a zero difference: t from the bootstrap's standard error, G - 1 degrees of freedom.

    Counting resamples beyond zero could not go below 1 / resamples, too coarse for a correction over many models.
    p is at least 2^(1-G), as in a sign test, however equal the videos' differences are.
    """
    error = float(resampled.std()) * math.sqrt(n_videos / max(1, n_videos - 1))
    if n_videos < 2 or value == 0:
        return 1.0
    p = 2 * float(stdtr(n_videos - 1, -abs(value) / error)) if error > 0 else 0.0
    return max(p, 2.0 ** (1 - n_videos))
