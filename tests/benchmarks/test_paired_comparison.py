"""The studies' paired test: whole clusters are flipped, and several tests are corrected together."""

import numpy as np
import pytest
from paired_comparison import compare, sign_flip_p


def test_p_is_the_share_of_sign_flips_with_a_mean_at_least_as_far_from_zero() -> None:
    clusters = ["a", "a", "b", "b", "c", "c"]
    differences = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])  # sums 1, 2, 1: all signs equal in 2 of 8 flips
    assert sign_flip_p(differences, clusters) == pytest.approx(2 / 8)
    mixed = np.array([1.0, 0.0, 1.0, 1.0, 0.0, -1.0])  # sums 1, 2, -1: 2 away or more in 6 of 8
    assert sign_flip_p(mixed, clusters) == pytest.approx(6 / 8)


def test_clips_of_one_person_count_as_one() -> None:
    differences = np.ones(40)
    assert sign_flip_p(differences, [f"clip {n}" for n in range(40)]) < 0.001
    assert sign_flip_p(differences, ["a"] * 20 + ["b"] * 20) == pytest.approx(0.5)
    assert sign_flip_p(differences, ["a"] * 40) == 1.0


def test_the_second_of_a_pair_is_taken_from_the_first() -> None:
    points = {"good": np.array([1.0, 1.0, 1.0, 0.0]), "bad": np.array([0.0, 1.0, 0.0, 0.0])}
    found = compare(points, [("good", "bad")], ["a", "b", "c", "d"])["good - bad"]
    assert found.mean == pytest.approx(0.5)
    assert found.ci_low <= 0.5 <= found.ci_high
    assert found.p == found.p_holm == pytest.approx(0.5)  # sums 1, 0, 1, 0: two flips of four are as far
