"""Intervals leave out whole videos: right on known truth, honest where videos are few; resamples draw whole videos."""

import time

import numpy as np
import pytest
from coverage_worlds import mean_coverage, video_sizes

from eval.stats.bootstrap import mean_interval, resampled_means, weight_blocks
from tests.helpers.naming import naming


def simulated(rng: np.random.Generator, videos: int = 60, each: int = 10) -> tuple[np.ndarray, list[str]]:
    """Right and wrong answers whose chance of being right differs from video to video; the true mean is 0.5."""
    chance = rng.beta(2, 2, size=videos)
    scores = (rng.random((videos, each)) < chance[:, None]).astype(float)
    return scores.ravel(), [f"v{video}" for video in range(videos) for _ in range(each)]


def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    intervals = [mean_interval(*simulated(rng)) for _ in range(300)]
    covered = np.mean([interval.low <= 0.5 <= interval.high for interval in intervals])
    assert 0.92 <= covered <= 0.98


@pytest.mark.parametrize("videos", ["65 skewed", "15 unequal", "5", "2"])
@pytest.mark.parametrize("truth", [0.5, 0.9, 0.97, 0.99])
def test_it_covers_the_truth_at_every_accuracy_and_number_of_unequal_videos(videos: str, truth: float) -> None:
    """Few videos and hardly any error cover more: what they allow is what all right allows."""
    rng = np.random.default_rng(1)
    covered, error = mean_coverage(rng, "normal", truth, video_sizes(None)[videos], 2000)["holds"]
    assert 0.95 - 3 * error - 0.005 < covered
    assert covered < (0.965 if videos == "65 skewed" else 1.0)


def test_single_questions_would_promise_too_much() -> None:
    scores, videos = simulated(np.random.default_rng(1))
    clustered = mean_interval(scores, videos)
    single = mean_interval(scores, [str(index) for index in range(len(scores))])
    assert clustered.high - clustered.low > 1.3 * (single.high - single.low)


def test_clustered_width_agrees_with_the_sandwich_formula() -> None:
    scores, videos = simulated(np.random.default_rng(2), videos=200)
    interval = mean_interval(scores, videos)
    residual = (scores - scores.mean()).reshape(200, -1).sum(axis=1)
    standard_error = np.sqrt((residual**2).sum()) / len(scores)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * standard_error, rel=0.05)


def test_fractions_count_as_expected_values() -> None:
    interval = mean_interval([0.25, 0.5, 1.0, 0.25], ["a", "a", "b", "c"])
    assert interval.value == 0.5
    assert 0 < interval.low < 0.25 and 0.75 < interval.high < 1


def test_the_same_expectation_everywhere_has_no_spread() -> None:
    interval = mean_interval([0.25] * 9, list("aaabbbccc"))
    assert (interval.low, interval.value, interval.high) == pytest.approx((0.25, 0.25, 0.25))


def test_one_video_says_nothing_about_others() -> None:
    interval = mean_interval([1.0, 1.0, 0.0], ["a", "a", "a"])
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_order_of_questions_is_irrelevant_and_the_seed_is_the_resamples() -> None:
    scores, videos = simulated(np.random.default_rng(3))
    shuffled = np.random.default_rng(4).permutation(len(scores))
    names = [videos[i] for i in shuffled]
    assert mean_interval(scores[shuffled], names) == mean_interval(scores, videos)
    first, again, other = (
        resampled_means(one[:, None], names_of, 100, seed)[0]
        for one, names_of, seed in ((scores, videos, 7), (scores[shuffled], names, 7), (scores, videos, 8))
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_every_resample_draws_as_many_videos_as_there_are() -> None:
    blocks = list(weight_blocks(3000, 1500, seed=0))
    assert len(blocks) > 1 and sum(len(block) for block in blocks) == 1500
    assert all((block.sum(axis=1) == 3000).all() for block in blocks)


def test_scores_without_videos_are_refused() -> None:
    with pytest.raises(ValueError, match=naming(2, 1)):
        mean_interval([1.0, 0.0], ["a"])
    with pytest.raises(ValueError, match=naming(0)):
        mean_interval([], [])


def test_an_interval_of_8521_questions_takes_about_a_blink() -> None:
    scores, videos = simulated(np.random.default_rng(5), videos=65, each=131)
    start = time.process_time()
    mean_interval(scores, videos)
    assert time.process_time() - start < 1  # measured 0.01 s; the margin is for busy machines
