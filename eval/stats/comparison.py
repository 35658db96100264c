"""Which of several models is better on the same questions: paired differences, tests, ranks, and what a set can tell.

Questions of one video are not independent, so videos are split and drawn, not questions, and in the same way for every
model: what is hard for all of them cancels out of a difference. Ranks and intervals rest on the sign-flip test of
`eval.stats.sign_flip`, ranks where its splits are too few on the bootstrap (`Comparison.p_decisive`). The bootstrap,
which is too ready to see a difference between few videos, and McNemar's test, which takes questions for independent,
stand beside because they are what others print.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from eval.stats.bootstrap import RESAMPLES, FloatArray, Interval, cluster_index, cluster_sums, resampled_means
from eval.stats.sign_flip import split_videos

LEVEL = 0.05
_COARSE = 10  # drawn splits that disagree; of fewer the share is not to be trusted


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much better the first model is than the second on the same questions.

    Attributes:
        first, second: names of models.
        difference: of their mean scores, in [-1, 1], with the 95 % interval that goes with p_flip.
        p_mcnemar: McNemar's exact test, two-sided; None where a score is neither 0 nor 1.
        p_bootstrap: that the difference is zero, two-sided, from its spread over the resampled videos.
        p_flip: the same by flipping the signs of whole videos' differences.
        p_decisive: what is corrected: p_flip, or p_bootstrap where that is smaller and fewer than ten of the splits
            that were drawn disagree, a share too coarse for Holm's correction.
        p_holm: p_decisive, corrected for all comparisons made together.
    """

    first: str
    second: str
    difference: Interval
    p_mcnemar: float | None
    p_bootstrap: float
    p_flip: float
    p_decisive: float
    p_holm: float

    @property
    def better(self) -> str | None:
        """The model that is better at the 5 % level, after correction; None where that is open."""
        if self.p_holm >= LEVEL:
            return None
        return self.first if self.difference.value > 0 else self.second


def compare_all(
    scores: Mapping[str, FloatArray], videos: Sequence[str], resamples: int = RESAMPLES, seed: int = 0
) -> list[Comparison]:
    """Every model against every later one.

    Args:
        scores: of each model [n] in [0, 1], of the same questions in the same order.
        videos: [n], the source video of each question.
        resamples: how many times the videos are drawn.
        seed: of the draws.

    Raises:
        ValueError: no questions, or not one score of each model a question.
    """
    pairs = list(combinations(scores, 2))
    if not pairs:
        return []
    columns = _columns(scores, videos)  # [n, M]
    drawn, n_videos = resampled_means(columns, videos, resamples, seed)  # [r, M]
    splits = split_videos(columns, videos, resamples, seed)
    place = {name: index for index, name in enumerate(scores)}
    found = []
    for first, second in pairs:
        i, j = place[first], place[second]
        difference = splits.interval(i, j)
        p_mcnemar = mcnemar_p(scores[first], scores[second])
        p_bootstrap = _spread_p(difference.value, drawn[:, i] - drawn[:, j], n_videos)
        p_flip = splits.p(i, j)
        coarse = splits.drawn and p_flip * len(splits.counts) < _COARSE
        p = min(p_flip, p_bootstrap) if coarse else p_flip
        found.append(Comparison(first, second, difference, p_mcnemar, p_bootstrap, p_flip, p, p))
    adjusted = holm([one.p_decisive for one in found])
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
    """The ranks that each model may have, best and worst, from 1; see `ranges_of`.

    Raises:
        ValueError: as `compare_all`.
    """
    return ranges_of(scores, compare_all(scores, videos, resamples, seed))


def ranges_of(models: Iterable[str], comparisons: Sequence[Comparison]) -> dict[str, tuple[int, int]]:
    """The ranks that each model may have, from 1: it stands behind those shown to be better, before those shown worse.

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
    """The smallest true difference of two models that this set of questions shows with the power asked for.

    z(1 - level/2) · spread + t(power) · standard error (Bloom 1995, "Minimum Detectable Effects"), t with one degree of
    freedom less than there are videos, the standard error that of a paired difference, clustered by video: the largest
    among the models given. The sign-flip test measures the spread about zero, not about the difference d: spread² =
    standard error² + d² · the videos' squared shares of the questions. One model alone stands for two that err
    independently of each other, √2 of its own.

    Args:
        scores: of each model [n] in [0, 1].
        videos: [n].
        power: chance to find the difference.
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
    shares = np.bincount(cluster) / len(videos)
    z, t = float(ndtri(1 - level / 2)), float(stdtrit(max(1, n_videos - 1), power))
    left = 1 - z**2 * float((shares**2).sum())  # of d² when (d - t · error)² = z² · spread² is solved for d
    if left <= 0:
        return 1.0
    return min(1.0, error * (t + math.sqrt(t**2 - left * (t**2 - z**2))) / left)


def clustered_error(values: FloatArray, videos: Sequence[str]) -> float:
    """Standard error of the mean of values [n], by leaving out one video at a time; NaN for one video.

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
    """McNemar's exact test: the questions that one model alone gets right are a coin's throws, two-sided.

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
    return [float(adjusted[place]) for place in np.argsort(order, kind="stable")]


def _columns(scores: Mapping[str, FloatArray], videos: Sequence[str]) -> FloatArray:
    """The models' scores as [n, M]."""
    lengths = {len(column) for column in scores.values()}
    if lengths != {len(videos)} or not videos:
        raise ValueError(f"scores of {sorted(lengths)} questions for {len(videos)} videos")
    return np.stack([np.asarray(column, dtype=np.float64) for column in scores.values()], axis=1)


def _spread_p(value: float, resampled: FloatArray, n_videos: int) -> float:
    """Two-sided p of a difference of zero: t from the bootstrap's standard error, G - 1 degrees of freedom.

    Counting resamples beyond zero could not go below 1 / resamples, too coarse for a correction over many models.
    G videos that all agree are worth 2^(1-G) at most, as in a sign test, however equal their differences are.
    """
    error = float(resampled.std()) * math.sqrt(n_videos / max(1, n_videos - 1))
    if n_videos < 2 or value == 0:
        return 1.0
    p = 2 * float(stdtr(n_videos - 1, -abs(value) / error)) if error > 0 else 0.0
    return max(p, 2.0 ** (1 - n_videos))
