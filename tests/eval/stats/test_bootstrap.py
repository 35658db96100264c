"""The interval draws whole videos: right on known truth, honest where videos are few, the same for the same seed."""

import time
from statistics import NormalDist

import numpy as np
import pytest

from eval.stats.bootstrap import bootstrap, mean_interval, tail_fraction, weight_blocks
from tests.helpers.naming import naming


def simulated(rng: np.random.Generator, videos: int = 60, each: int = 10) -> tuple[np.ndarray, list[str]]:
    """Right and wrong answers whose chance of being right differs from video to video; the true mean is 0.5."""
    chance = rng.beta(2, 2, size=videos)
    scores = (rng.random((videos, each)) < chance[:, None]).astype(float)
    return scores.ravel(), [f"v{video}" for video in range(videos) for _ in range(each)]


@pytest.mark.slow
def test_the_interval_covers_the_truth_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    intervals = [mean_interval(*simulated(rng), resamples=500) for _ in range(300)]
    covered = np.mean([interval.low <= 0.5 <= interval.high for interval in intervals])
    assert 0.92 <= covered <= 0.98


def test_few_videos_give_a_wider_interval_as_the_t_distribution_asks() -> None:
    assert tail_fraction(10_000) == pytest.approx(0.025, abs=1e-4)
    assert NormalDist().inv_cdf(tail_fraction(10)) == pytest.approx(
        -2.2622 * np.sqrt(10 / 9), rel=0.01
    )  # t table, 9 df


def test_reflection_takes_off_the_bias_of_resampling() -> None:
    """The largest of 50 values can only fall when resampled; its reflected interval reaches above it."""
    values = np.random.default_rng(0).random(50) * 0.5

    def largest(weights: np.ndarray) -> np.ndarray:
        return np.asarray(((weights > 0) * values).max(axis=1))

    plain = bootstrap(values.max(), largest, 50, 1000)
    reflected = bootstrap(values.max(), largest, 50, 1000, reflect=True)
    assert plain.high == values.max()
    assert reflected.low == values.max() < reflected.high


@pytest.mark.slow
def test_drawing_single_questions_would_promise_too_much() -> None:
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
    assert interval.low == pytest.approx(0.25) and interval.high == pytest.approx(1.0)


def test_the_same_expectation_everywhere_has_no_spread() -> None:
    interval = mean_interval([0.25] * 9, list("aaabbbccc"))
    assert (interval.low, interval.value, interval.high) == pytest.approx((0.25, 0.25, 0.25))


def test_one_video_says_nothing_about_others() -> None:
    interval = mean_interval([1.0, 1.0, 0.0], ["a", "a", "a"])
    assert (interval.low, interval.high) == (0.0, 1.0)


def test_order_of_questions_is_irrelevant_and_the_seed_is_not() -> None:
    scores, videos = simulated(np.random.default_rng(3))
    shuffled = np.random.default_rng(4).permutation(len(scores))
    first = mean_interval(scores, videos, resamples=1000, seed=7)
    assert mean_interval(scores[shuffled], [videos[i] for i in shuffled], resamples=1000, seed=7) == first
    assert mean_interval(scores, videos, resamples=1000, seed=8) != first


def test_every_resample_draws_as_many_videos_as_there_are() -> None:
    blocks = list(weight_blocks(3000, 1500, seed=0))
    assert len(blocks) > 1 and sum(len(block) for block in blocks) == 1500
    assert all((block.sum(axis=1) == 3000).all() for block in blocks)


def test_scores_without_videos_are_refused() -> None:
    with pytest.raises(ValueError, match=naming(2, 1)):
        mean_interval([1.0, 0.0], ["a"])
    with pytest.raises(ValueError, match=naming(0)):
        mean_interval([], [])


def test_ten_thousand_resamples_of_8521_questions_take_about_a_blink() -> None:
    scores, videos = simulated(np.random.default_rng(5), videos=65, each=131)
    start = time.process_time()
    mean_interval(scores, videos)
    assert time.process_time() - start < 3  # measured 0.1 s; the margin is for busy machines
