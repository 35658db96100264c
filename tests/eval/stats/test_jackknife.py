"""Jackknife intervals, against the same mathematics written plainly with scipy's distributions."""

import math

import numpy as np
import pytest
from scipy.stats import beta, binomtest, kurtosis, norm, t

from eval.stats.bootstrap import cluster_index, mean_interval, slice_intervals, statistic_interval
from eval.stats.jackknife import degrees_of_freedom, jackknife_ends, kish_size


def by_hand(clusters: list[list[float]]) -> tuple[float, float]:
    """A t interval on the logit scale by the delete-one-cluster jackknife, one step at a time."""
    scores = [score for one in clusters for score in one]
    mean, n, videos = float(np.mean(scores)), len(scores), len(clusters)
    without = [np.mean([s for j, one in enumerate(clusters) if j != i for s in one]) for i in range(videos)]
    error = math.sqrt((videos - 1) / videos * sum((one - mean) ** 2 for one in without))
    residuals = [(sum(one) - mean * len(one)) / math.sqrt(len(one)) for one in clusters]
    fourth = videos * sum(r**4 for r in residuals) / sum(r**2 for r in residuals) ** 2
    kish = n**2 / sum(len(one) ** 2 for one in clusters)
    freedom = 1 / (1 / (kish - 1) + max(0.0, fourth - 3) / (2 * kish))
    independent = norm.ppf(0.975) * np.std(scores) / math.sqrt(n)
    half = max(t.ppf(0.975, freedom) * error, independent) / (mean * (1 - mean))
    centre = math.log(mean / (1 - mean))
    return 1 / (1 + math.exp(half - centre)), 1 / (1 + math.exp(-half - centre))


@pytest.mark.parametrize("videos", [2, 3, 7, 40])
def test_the_interval_is_the_one_computed_step_by_step(videos: int) -> None:
    rng = np.random.default_rng(videos)
    for hard in (0.5, 0.9):
        clusters = [(rng.random(size) < rng.beta(9 * hard, 9 - 9 * hard)).astype(float).tolist()
                    for size in rng.integers(5, 60, videos)]  # fmt: skip
        found = mean_interval(np.concatenate(clusters), [f"v{i}" for i, one in enumerate(clusters) for _ in one])
        assert (found.low, found.high) == pytest.approx(by_hand(clusters), abs=1e-9)
        assert 0 < found.low < found.value < found.high < 1


def test_all_right_and_all_wrong_are_clopper_and_pearsons_of_the_effective_number_of_videos() -> None:
    alike = [f"v{number % 20}" for number in range(60)]
    low, high = binomtest(20, 20).proportion_ci(0.95, "exact")
    right, wrong = mean_interval(np.ones(60), alike), mean_interval(np.zeros(60), alike)
    assert (right.low, right.high) == pytest.approx((low, high)) and high == 1.0
    assert (wrong.low, wrong.high) == pytest.approx((0.0, 1 - low))
    unequal = ["a"] * 30 + ["b"] * 10 + ["c"] * 10  # as good as 50² / (900 + 100 + 100) videos
    found = mean_interval(np.ones(50), unequal)
    assert (found.low, found.high) == pytest.approx((beta.ppf(0.025, 2500 / 1100, 1), 1.0))


def test_nothing_is_certain_of_answers_even_where_all_videos_agree() -> None:
    found = mean_interval([1.0, 0.0] * 20, [f"v{number // 4}" for number in range(40)])
    half = norm.ppf(0.975) * math.sqrt(0.25 / 40) / 0.25  # of independent questions, on the logit scale
    assert found.high == pytest.approx(1 / (1 + math.exp(-half))) and found.low == pytest.approx(1 - found.high)


def test_kishs_effective_number_is_of_equal_clusters_their_number() -> None:
    sizes = np.array([[7.0, 1, 4], [7, 1, 4], [7, 10, 0]])  # the third statistic has two clusters
    assert kish_size(sizes) == pytest.approx([3, 144 / 102, 2])


def test_errors_that_few_videos_hold_cost_degrees_of_freedom() -> None:
    sizes = np.full((40, 2), 10.0)
    even = np.where(np.arange(40) % 2, 1.0, -1.0)
    one_sided = np.where(np.arange(40) < 2, -19.0, 1.0)
    freedom = degrees_of_freedom(np.column_stack([even, one_sided]), sizes)
    assert freedom[0] == pytest.approx(39)
    assert freedom[1] == pytest.approx(1 / (1 / 39 + kurtosis(one_sided) / 80))
    assert freedom[1] < 6


def test_a_cluster_without_items_of_a_slice_is_none_of_its_clusters() -> None:
    rng = np.random.default_rng(0)
    scores, videos = (rng.random(60) < 0.7).astype(float), [f"v{number % 6}" for number in range(60)]
    inside = np.column_stack([np.ones(60), np.arange(60) % 6 < 4, np.arange(60) % 6 == 1]).astype(float)
    found = slice_intervals(scores, inside, videos)
    kept = [number for number in range(60) if number % 6 < 4]
    alone = mean_interval(scores[kept], [videos[number] for number in kept])
    assert (found[1].value, found[1].low, found[1].high) == pytest.approx((alone.value, alone.low, alone.high))
    assert (found[2].low, found[2].high) == (0.0, 1.0)


def test_a_statistic_that_is_a_mean_has_the_means_interval() -> None:
    rng = np.random.default_rng(1)
    scores, videos = (rng.random(300) < 0.8).astype(float), [f"v{number}" for number in rng.integers(0, 25, 300)]
    cluster, n_videos = cluster_index(videos)
    sums, counts = np.bincount(cluster, weights=scores), np.bincount(cluster)

    def mean(weights: np.ndarray) -> np.ndarray:
        return np.asarray((weights @ sums) / (weights @ counts))

    found, expected = statistic_interval(float(scores.mean()), mean, videos), mean_interval(scores, videos)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert n_videos == 25


def test_a_statistic_that_no_video_moves_may_be_anything() -> None:
    for value, ends in ((0.5, (0.0, 1.0)), (1.0, (0.025 ** (1 / 3), 1.0))):
        found = statistic_interval(value, lambda weights, value=value: np.full(len(weights), value), ["a", "b", "c"])  # type: ignore[misc]
        assert (found.low, found.high) == pytest.approx(ends)
    alone = statistic_interval(0.5, lambda weights: np.full(len(weights), 0.5), ["a", "a"])
    assert (alone.low, alone.high) == (0.0, 1.0)


def test_one_video_with_nearly_all_questions_says_little() -> None:
    sizes = np.array([[1e9], [1.0]])
    low, high = jackknife_ends(np.array([0.5]), np.array([[0.4], [0.5]]), sizes, np.zeros(1))[:, 0]
    assert low < 0.01 and high > 0.99
