"""The parts of a structured segment network, by hand and against plain NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from recognizers.localization.config import GroupingConfig, SamplingConfig
from recognizers.localization.detection import DetectionConfig, select_segments
from recognizers.localization.network import (
    PARTS,
    apply_regression,
    completeness_loss,
    pyramid,
    regression_loss,
    regression_targets,
)
from recognizers.localization.proposals import basins, group_actionness, group_basins, overlaps, suppress
from recognizers.localization.sampling import NO_CLASS, assign_proposals, sample_proposals
from tests.helpers.naming import naming

CURVE = np.array([0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1, 0.6, 0.1])


def test_basins_are_runs_above_the_threshold() -> None:
    assert basins(CURVE, 0.5).tolist() == [[1, 3], [4, 5], [8, 9]]
    assert basins(CURVE, 0.7).tolist() == [[1, 3], [4, 5]]
    assert basins(CURVE, 0.05).tolist() == [[0, 10]] and basins(CURVE, 0.95).tolist() == []


def test_a_basin_absorbs_the_next_ones_while_enough_is_covered() -> None:
    found = basins(CURVE, 0.5)
    # 3 of 4 snippets covered with the second basin, 4 of 8 with the third; from the second on, 2 of 5
    assert group_basins(found, 0.8).tolist() == [[1, 3], [4, 5], [8, 9]]
    assert group_basins(found, 0.75).tolist() == [[1, 5], [4, 5], [8, 9]]
    assert group_basins(found, 0.5).tolist() == [[1, 9], [4, 5], [8, 9]]
    assert group_basins(found, 0.4).tolist() == [[1, 9], [4, 9], [8, 9]]


def test_absorbing_ends_where_the_share_first_falls_too_low() -> None:
    curve = np.array([1, 0, 0, 0, 1, 1, 1, 1, 1, 1], float)  # 2 of 5 at the first snippet of the second basin's end
    assert group_basins(basins(curve, 0.5), 0.71).tolist() == [[0, 1], [4, 10]]
    assert group_basins(basins(curve, 0.5), 0.7).tolist() == [[0, 10], [4, 10]]


def test_grouping_proposes_what_a_hand_finds_and_no_doubles() -> None:
    found = {tuple(span) for span in group_actionness(CURVE, GroupingConfig(step=0.25)).tolist()}
    assert found == {(1, 9), (4, 9), (8, 9), (4, 5), (1, 5)}  # thresholds and shares of 0.25, 0.5 and 0.75
    assert not len(group_actionness(np.zeros(5), GroupingConfig()))
    long = np.ones(100)
    long[:2] = 0.5  # [0, 100] and [2, 100] overlap by 0.98: the one of more actionness stays
    assert group_actionness(long, GroupingConfig()).tolist() == [[2, 100]]
    assert sorted(group_actionness(long, GroupingConfig(overlap=0.99)).tolist()) == [[0, 100], [2, 100]]


def test_suppression_keeps_the_surest_of_those_that_overlap() -> None:
    spans = np.array([[0, 10], [1, 10], [20, 30], [8, 20]], float)
    assert overlaps(spans[:1], spans)[0].tolist() == pytest.approx([1, 0.9, 0, 0.1])
    assert suppress(spans, np.array([0.5, 0.9, 0.1, 0.6]), 0.5).tolist() == [1, 3, 2]
    assert suppress(spans, np.array([0.5, 0.9, 0.1, 0.6]), 0.95).tolist() == [1, 3, 0, 2]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 5)), max_size=12),
    st.sampled_from([0, 0.2, 0.5, 0.95, 1]),
)
@settings(max_examples=40)
def test_suppression_is_that_of_its_definition(made: list[tuple[int, int, int]], overlap: float) -> None:
    spans = np.array([(start, start + length) for start, length, _ in made], float).reshape(-1, 2)
    scores = np.array([score for _, _, score in made], float)
    left, kept = sorted(range(len(made)), key=lambda one: -scores[one]), []
    while left:
        best, *left = left
        kept.append(best)
        left = [one for one in left if overlaps(spans[[best]], spans[[one]])[0, 0] <= overlap]
    assert suppress(spans, scores, overlap).tolist() == kept


def plain_mean(snippets: np.ndarray, start: float, end: float) -> np.ndarray:
    """Each snippet by the share of [start, end] that it fills."""
    shares = [max(0.0, min(end, t + 1) - max(start, t)) / (end - start) for t in range(len(snippets))]
    return np.asarray(np.array(shares) @ snippets)


@given(st.lists(st.tuples(st.floats(-3, 9), st.floats(0.25, 9)), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=50)
def test_the_pyramid_is_the_mean_over_each_part(places: list[tuple[float, float]], seed: int) -> None:
    snippets = np.random.default_rng(seed).normal(size=(7, 3))
    spans = np.array([(start, start + length) for start, length in places])
    found = pyramid(torch.from_numpy(snippets).float(), torch.from_numpy(spans))
    assert found.shape == (len(spans), PARTS, 3)
    for (start, end), parts in zip(spans, found.numpy(), strict=True):
        half, middle = (end - start) / 2, (start + end) / 2
        bounds = [(start - half, start), (start, end), (start, middle), (middle, end), (end, end + half)]
        assert parts == pytest.approx(np.stack([plain_mean(snippets, *one) for one in bounds]), abs=1e-5)


def test_the_completeness_loss_is_that_of_float64_with_the_hardest_of_each_group() -> None:
    rng = np.random.default_rng(0)
    complete, incomplete = rng.normal(size=5), rng.normal(size=(4, 6))
    terms = [max(0.0, 1 - one) for one in complete]
    terms += [max(max(0.0, 1 + one) for one in group) for group in incomplete]  # 0.17 of 6: one
    found = completeness_loss(torch.from_numpy(complete).float(), torch.from_numpy(incomplete).float(), 0.17)
    assert found.item() == pytest.approx(sum(terms) / len(terms), abs=1e-6)
    half = [np.sort(np.maximum(0, 1 + group))[-3:].sum() for group in incomplete]
    found = completeness_loss(torch.from_numpy(complete), torch.from_numpy(incomplete), 0.5)
    assert found.item() == pytest.approx((sum(terms[:5]) + sum(half)) / (5 + 12))


def test_easy_incomplete_proposals_give_no_gradient() -> None:
    incomplete = torch.tensor([[0.5, -0.2, 0.3]], requires_grad=True)
    completeness_loss(torch.zeros(1), incomplete, 0.34).backward()
    assert incomplete.grad is not None and incomplete.grad.tolist() == [[0.5, 0.0, 0.0]]
    assert completeness_loss(torch.zeros(0), torch.zeros(0, 6), 0.17).item() == 0.0


def test_the_way_to_the_true_segment_leads_there() -> None:
    spans = torch.tensor([[2.0, 6.0], [0.0, 1.0], [3.0, 9.0]])
    truth = torch.tensor([[3.0, 8.0], [0.5, 1.25], [3.0, 9.0]])
    targets = regression_targets(spans, truth)
    assert targets[0].tolist() == pytest.approx([1.5 / 4, np.log(5 / 4)]) and targets[2].tolist() == [0, 0]
    assert torch.allclose(apply_regression(spans, targets), truth)
    by_class = apply_regression(spans, torch.stack([targets, torch.zeros_like(targets)], 1))  # [P, K, 2]
    assert torch.allclose(by_class[:, 0], truth) and torch.allclose(by_class[:, 1], spans)
    assert regression_loss(targets, targets + 0.5).item() == pytest.approx(2 * 0.125)


def test_proposals_are_told_apart_by_how_they_lie_to_the_truth() -> None:
    truth, classes = np.array([[10, 20], [30, 40], [60, 70]], float), np.array([3, NO_CLASS, 5])
    proposals = np.array(
        [
            [11, 20],  # 0.9 of the first: foreground
            [10, 15],  # half of it: neither
            [12, 14],  # a fifth, and within: incomplete
            [20, 30],  # beside: background
            [31, 39],  # near the one whose class is not learnt: nothing
            [32, 34],  # within it: nothing
            [58, 61],  # a third inside only: nothing
            [61, 63],  # within the last: incomplete
        ],
        float,
    )
    pool = assign_proposals(proposals, truth, classes, SamplingConfig())
    assert pool.foreground.tolist() == [[10, 20], [60, 70], [11, 20]] and pool.instances == 2
    assert pool.matched.tolist() == [[10, 20], [60, 70], [10, 20]] and pool.classes.tolist() == [3, 5, 3]
    assert pool.incomplete.tolist() == [[12, 14], [61, 63]] and pool.incomplete_classes.tolist() == [3, 5]
    assert pool.background.tolist() == [[20, 30]]
    drawn = sample_proposals(pool, SamplingConfig(), np.random.default_rng(0))
    assert len(drawn.classes) == 2 and drawn.incomplete_classes.shape == (2, 6) and len(drawn.spans) == 2 + 12 + 2
    assert drawn.spans[-2:].tolist() == [[20, 30]] * 2


def test_a_stretch_without_truth_gives_background_only() -> None:
    pool = assign_proposals(np.array([[0.0, 3.0]]), np.empty((0, 2)), np.empty(0, np.int64), SamplingConfig())
    drawn = sample_proposals(pool, SamplingConfig(), np.random.default_rng(0))
    assert drawn.spans.tolist() == [[0.0, 3.0]] and drawn.incomplete_classes.size == 0 and not len(drawn.classes)


def test_segments_are_suppressed_class_by_class() -> None:
    spans = np.array([[[0, 10], [0, 10]], [[1, 10], [5, 5]]], float)
    found = select_segments(spans, np.array([[0.5, 0.7], [0.6, 0.9]]), DetectionConfig())
    assert found.spans.tolist() == [[0, 10], [1, 10]] and found.classes.tolist() == [1, 0]
    assert found.scores.tolist() == [0.7, 0.6]
    assert len(select_segments(spans, np.ones((2, 2)), DetectionConfig(most=1)).scores) == 1


def test_wrong_bounds_are_refused() -> None:
    for wrong in ({"foreground": 0.2}, {"incompletes": 0}):
        with pytest.raises(GymQAError):
            SamplingConfig(**wrong)  # type: ignore[arg-type]
    with pytest.raises(GymQAError, match=naming("step=0")):
        GroupingConfig(step=0)
