"""The sign-flip test and its interval, against counts by hand and against each other."""

import numpy as np
import pytest
from scipy.stats import permutation_test

from eval.stats.sign_flip import EXACT, sampled_p, split_videos


def apart(differences: list[float], videos: list[str], draws: int = 2000) -> tuple[float, float, float]:
    """P and interval of a model whose score is higher by so much than another's."""
    columns = np.column_stack([differences, np.zeros(len(differences))])
    found = split_videos(columns, videos, draws)
    interval = found.interval(0, 1)
    assert interval.low <= interval.value <= interval.high
    return found.p(0, 1), interval.low, interval.high


def test_p_is_the_share_of_splits_whose_sides_disagree() -> None:
    videos = ["a", "a", "b", "b", "c", "c"]
    assert apart([1, 0, 1, 1, 0, 1], videos)[0] == 1 / 4  # sums 1, 2, 1: none|abc alone
    assert apart([1, 0, 1, 1, 0, -1], videos)[0] == 3 / 4  # sums 1, 2, -1: none|abc, ab|c and ac|b
    assert apart([1.0] * 40, ["a"] * 40) == (1.0, -1.0, 1.0)  # one video says nothing of others


@pytest.mark.parametrize("n_videos", [6, EXACT, EXACT + 1, 40])
def test_p_is_that_of_scipys_permutation_test(n_videos: int) -> None:
    rng = np.random.default_rng(n_videos)
    sums = rng.integers(-3, 5, n_videos).astype(float)
    expected = permutation_test((sums,), np.sum, permutation_type="samples", n_resamples=20_000, rng=rng).pvalue
    p, _, _ = apart(sums.tolist(), [f"v{one}" for one in range(n_videos)], 20_000)
    assert p == pytest.approx(expected, abs=1e-12 if n_videos <= EXACT else 0.02)


@pytest.mark.parametrize("n_videos", [5, 6, 9, 30])
def test_the_interval_holds_what_the_test_would_not_reject(n_videos: int) -> None:
    rng = np.random.default_rng(n_videos)
    sizes = rng.integers(1, 9, n_videos)
    videos = np.repeat([f"v{one}" for one in range(n_videos)], sizes).tolist()
    differences = rng.choice([-0.4, 0.1, 0.5], len(videos))
    _, low, high = apart(differences.tolist(), videos)
    for end, inward in ((low, 1e-6), (high, -1e-6)):
        assert apart((differences - (end + inward)).tolist(), videos)[0] > 0.05
        if n_videos > 5:  # of five no split is rare enough: 1 / 16
            assert apart((differences - (end - inward)).tolist(), videos)[0] <= 0.05
        else:
            assert abs(end) == 1.0


def test_the_draws_are_the_seeds() -> None:
    scores = np.random.default_rng(0).random((60, 2))
    videos = [f"v{one % 30}" for one in range(60)]
    first, again, other = (split_videos(scores, videos, 300, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.sums, again.sums) and not np.array_equal(first.sums, other.sums)
    assert first.counts[0] == 60 and len(first.counts) == 301


def test_counted_splits_are_those_that_are_kept() -> None:
    rng = np.random.default_rng(3)
    scores, videos = rng.random((200, 3)), [f"v{number}" for number in rng.integers(0, 25, 200)]
    kept, pairs = split_videos(scores, videos, 3000, seed=2), [(0, 1), (1, 2), (2, 0)]
    assert sampled_p(scores, videos, pairs, 3000, seed=2) == pytest.approx([kept.p(*pair) for pair in pairs], abs=1e-12)
    assert sampled_p(scores, videos, [(1, 1)], 50) == [1.0]
