"""Index arithmetic: the paper's rule for dual-level elements, and what short clips do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.frames.sampling import dual_level, spans_of_elements, uniform
from tests.helpers.naming import naming


@pytest.mark.parametrize(
    ("combination", "spans"),
    [
        ((2, 2, 4), [[1, 5], [3, 7], [0, 2, 4, 6]]),  # as the paper gives it
        ((4, 4), [[1, 3, 5, 7], [0, 2, 4, 6]]),
        ((2, 2, 2, 2), [[1, 5], [2, 6], [3, 7], [0, 4]]),
        ((1, 1, 6), [[3], [7], [0, 1, 2, 4, 5, 6]]),
        ((3, 5), [[2, 5, 7], [0, 1, 3, 4, 6]]),
        ((8,), [[0, 1, 2, 3, 4, 5, 6, 7]]),
    ],
)
def test_elements_take_the_spans_of_the_papers_rule(combination: tuple[int, ...], spans: list[list[int]]) -> None:
    assert [list(part) for part in spans_of_elements(combination)] == spans


def test_testing_takes_the_middle_frame_of_each_span() -> None:
    # 80 frames, 8 spans of 10: middles 5, 15, 25, …
    fine1, fine2, context = dual_level(80)
    assert fine1.tolist() == [15, 55]
    assert fine2.tolist() == [35, 75]
    assert context.tolist() == [5, 25, 45, 65]


@given(st.integers(1, 200), st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 2**32))
def test_training_draws_one_frame_inside_each_span(n_frames: int, combination: list[int], seed: int) -> None:
    n = sum(combination)
    drawn = np.concatenate(dual_level(n_frames, combination, np.random.default_rng(seed)))
    spans = np.concatenate(spans_of_elements(combination))
    assert sorted(spans) == list(range(n))
    assert ((drawn >= np.floor(spans * n_frames / n)) & (drawn < (spans + 1) * n_frames / n)).all()


def test_every_frame_of_a_span_can_be_drawn() -> None:
    rng = np.random.default_rng(0)
    seen = {int(dual_level(24, (2, 2, 4), rng)[0][0]) for _ in range(200)}
    assert seen == {3, 4, 5}


def test_a_short_clip_repeats_frames() -> None:
    assert np.concatenate(dual_level(1)).tolist() == [0] * 8
    assert uniform(3, 6).tolist() == [0, 0, 1, 1, 2, 2]


@given(st.integers(1, 300), st.integers(1, 64))
def test_uniform_is_the_middle_of_equal_spans(n_frames: int, n: int) -> None:
    assert uniform(n_frames, n).tolist() == [min(n_frames - 1, (2 * i + 1) * n_frames // (2 * n)) for i in range(n)]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(GymQAError, match="frames"):
        uniform(0, 4)
    with pytest.raises(GymQAError, match=naming(0)):
        uniform(4, 0)
    with pytest.raises(GymQAError, match="element"):
        dual_level(4, (2, 0, 4))
