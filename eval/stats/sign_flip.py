"""Sign-flip test over videos: exact p-values and confidence intervals of a difference between two models.

Split the videos randomly into two sides. Where two models are equally good, every video favours either with equal
probability, so the sides disagree about the better model as often as fair coins: p is the fraction of splits in which
they do. That is Fisher's sign-flip test with one sign per video. The interval is the set of differences that the test
does not reject; its ends are quantiles of the sides' differences, Hartigan's typical values (1969, "Using subsample
values as typical values"). Sampled splits give p = (1 + b) / (1 + n), b of n that disagree, which errs no more often
than p says, however few they are (Phipson & Smyth 2010, "Permutation P-values should never be zero").

Both are exact where each video's sum is distributed symmetrically about the truth, with any number of videos of any
sizes. A bootstrap of 15 videos calls equal models different in 7 of 100 data sets, this test in 5
(benchmarks/studies/statistics_check.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from eval.stats.bootstrap import FloatArray, Interval, cluster_index, cluster_sums

EXACT = 13
"""Up to this number G of videos all 2^(G-1) splits are enumerated; with more they are sampled."""
_LEVEL = 0.05
_BLOCK = 2_000_000  # entries in memory at once: 16 MB
_NOISE = 1e-9  # tolerance of floating-point sums around zero


@dataclass(frozen=True, slots=True)
class Splits:
    """Sums of the scores of K models on one side of r splits of the videos; the other side has the rest.

    Attributes:
        sums: [r, K].
        counts: questions on the side, [r].
        totals: over both sides, [K].
        n: questions.
        drawn: whether the splits are a sample, not all.
    """

    sums: FloatArray
    counts: FloatArray
    totals: FloatArray
    n: int
    drawn: bool

    def p(self, first: int, second: int) -> float:
        """Fraction of splits whose sides disagree about two models, or with no difference on one side."""
        one, other = self._sides(first, second)
        return float((one * other <= _NOISE).mean())

    def interval(self, first: int, second: int) -> Interval:
        """Interval of differences of two models' means that the test does not reject, in [-1, 1]."""
        one, other = self._sides(first, second)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = np.stack([one / self.counts, other / (self.n - self.counts)])  # [2, r]
        empty = (self.counts == 0) | (self.counts == self.n)  # no information: any difference is possible
        low, high = np.where(empty, -1.0, means.min(0)), np.where(empty, 1.0, means.max(0))
        left_out = int(_LEVEL * len(low))
        value = float(self.totals[first] - self.totals[second]) / self.n
        return Interval(value, float(np.sort(low)[left_out]), float(np.sort(high)[-1 - left_out]))

    def _sides(self, first: int, second: int) -> tuple[FloatArray, FloatArray]:
        """The sums of the differences on both sides, [r] each."""
        one = self.sums[:, first] - self.sums[:, second]
        return one, self.totals[first] - self.totals[second] - one


def split_videos(scores: FloatArray, videos: Sequence[str], draws: int, seed: int = 0) -> Splits:
    """Sum scores [n, K] over one side of every split of the videos [n], or of `draws` sampled splits.

    The first split has an empty side, which rejects nothing: it makes p exact, at least 2^(1-G) for G videos, and
    never 0 for sampled splits (Phipson & Smyth 2010).
    """
    cluster, n_clusters = cluster_index(videos)
    sums = cluster_sums(scores, cluster, n_clusters)  # [G, K]
    counts = np.bincount(cluster, minlength=n_clusters).astype(np.float64)  # [G]
    drawn = n_clusters > EXACT
    blocks = _drawn_sides(n_clusters, draws, seed) if drawn else iter([_all_sides(n_clusters)])
    both = np.concatenate([sides @ np.column_stack([sums, counts]) for sides in blocks])  # [r, K + 1]
    return Splits(both[:, :-1], both[:, -1], sums.sum(0), len(videos), drawn)


def sampled_p(
    scores: FloatArray, videos: Sequence[str], pairs: Sequence[tuple[int, int]], draws: int, seed: int = 0
) -> list[float]:
    """P of pairs of columns of the scores [n, K] by `draws` sampled splits, which are counted, not kept.

    The splits of a seed begin with those of `split_videos`.
    """
    cluster, n_clusters = cluster_index(videos)
    sums = cluster_sums(scores, cluster, n_clusters)  # [G, K]
    differences = np.stack([sums[:, first] - sums[:, second] for first, second in pairs], axis=1)  # [G, P]
    least = differences.sum(axis=0) ** 2 / 4 - _NOISE  # [P]
    disagreeing, n = np.zeros(len(pairs)), 0
    for sides in _drawn_sides(n_clusters, draws, seed, columns=len(pairs)):
        half = (sides - 0.5) @ differences  # [r, P], half of what one side has more than the other
        disagreeing += np.count_nonzero(np.square(half, out=half) >= least, axis=0)
        n += len(sides)
    return [float(p) for p in disagreeing / n]


def _all_sides(n_clusters: int) -> FloatArray:
    """Every split once: [2^(G-1), G], 1 for the videos on the side of the first video; the first row has all."""
    numbers = np.arange(2 ** (n_clusters - 1))
    away = (numbers[:, None] >> np.arange(n_clusters - 1)) & 1
    return np.column_stack([np.ones(len(numbers)), 1.0 - away])


def _drawn_sides(n_clusters: int, draws: int, seed: int, columns: int = 0) -> Iterator[FloatArray]:
    """The split with an empty side, then drawn ones; the same whatever the block size, which `columns` lowers."""
    rng = np.random.default_rng(seed)
    yield np.ones((1, n_clusters))
    rows = max(1, _BLOCK // max(n_clusters, columns))
    for start in range(0, draws, rows):
        yield (rng.random((min(rows, draws - start), n_clusters)) < 0.5).astype(np.float64)
