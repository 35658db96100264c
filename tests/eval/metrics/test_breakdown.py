"""Accuracy within apparatus, set, element, movement, tier and length: each slice is what scoring it alone gives."""

from pathlib import Path

import numpy as np
import pytest

from eval.metrics.breakdown import FACETS, breakdown, facet_values
from eval.stats.bootstrap import mean_interval
from gymqa.errors import GymQAError
from gymqa.finegym.element_names import direction, turns
from gymqa.questions.distractors import build_questions
from gymqa.questions.minimal_pairs import build_minimal_pairs
from gymqa.questions.schema import Question
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import naming


def asked(videos: int = 30) -> list[Question]:
    clips = [clip(label, number, f"v{number}") for number in range(videos) for label in range(len(GYMSIM))]
    return build_questions(clips, GYMSIM, "gym-qa-hard")


def scored(questions: list[Question]) -> np.ndarray:
    return (np.random.default_rng(0).random(len(questions)) < 0.6).astype(float)


def test_each_slice_is_what_its_questions_score_alone() -> None:
    questions = asked()
    points = scored(questions)
    found = {(one.facet, one.value): one for one in breakdown(questions, points, taxonomy=GYMSIM)}
    for event in ("FX", "VT"):
        inside = [place for place, question in enumerate(questions) if question.event == event]
        alone = mean_interval(points[inside], [questions[place].video_id for place in inside])
        one = found["event", event]
        assert one.n == len(inside) and one.interval.value == pytest.approx(alone.value)
        assert (one.interval.low, one.interval.high) == pytest.approx((alone.low, alone.high))


def test_movements_are_those_of_the_elements_and_open_ones_are_left_out() -> None:
    questions = asked(2)
    for taxonomy in (GYMSIM, None):
        assert facet_values("direction", questions, taxonomy=taxonomy) == [
            direction(GYMSIM.elements[question.element or 0]) for question in questions
        ]
    slices = breakdown(questions, scored(questions), taxonomy=GYMSIM)
    n_turns = sum(turns(GYMSIM.elements[question.element or 0]) is not None for question in questions)
    assert sum(one.n for one in slices if one.facet == "turns") == n_turns < len(questions)
    values = [float(one.value) for one in slices if one.facet == "turns"]
    assert values == sorted(values)
    assert {one.facet for one in slices} == set(FACETS) - {"length", "task"}
    assert sum(one.n for one in slices if one.facet == "element") == len(questions)


def test_lengths_are_cut_at_the_quartiles() -> None:
    questions = asked(2)[:8]
    lengths = {question.clip_id: float(10 * place) for place, question in enumerate(questions)}
    found = breakdown(questions, [1, 1, 0, 0, 1, 0, 0, 0], lengths, facets=["length"])
    assert [(one.value, one.n, one.interval.value) for one in found] == [
        ("0–17.5", 2, 1.0), ("17.5–35", 2, 0.0), ("35–52.5", 2, 0.5), ("52.5–70", 2, 0.0),
    ]  # fmt: skip
    assert facet_values("length", questions, dict.fromkeys(lengths, 5.0)) == ["5"] * 8
    assert breakdown(questions, [1] * 8, {}, facets=["length"]) == []


def test_a_slice_of_one_video_says_nothing_about_others() -> None:
    questions = asked(1)
    found = breakdown(questions, scored(questions), facets=["event"])
    assert all((one.interval.low, one.interval.high) == (0.0, 1.0) for one in found)


def test_a_pair_counts_only_where_both_its_questions_are_right() -> None:
    clips = [clip(label, number, "v") for number in range(2) for label in range(len(GYMSIM))]
    questions = build_minimal_pairs(clips, GYMSIM)
    points = np.zeros(len(questions))
    points[::2] = 1.0  # one of each pair
    found = breakdown(questions, points, taxonomy=GYMSIM, facets=["event"])
    assert found and all(one.interval.value == 0 for one in found)


def test_an_unknown_facet_and_another_settings_taxonomy_are_refused() -> None:
    questions = asked(1)
    with pytest.raises(ValueError, match=naming("colour")):
        breakdown(questions, scored(questions), facets=["colour"])
    with pytest.raises(ValueError, match=naming(1, len(questions))):
        breakdown(questions, [1.0])
    from tests.helpers.leaderboard_example import TAXONOMY

    with pytest.raises(GymQAError, match=naming(TAXONOMY.setting)):
        breakdown(questions, scored(questions), taxonomy=TAXONOMY)


@pytest.mark.slow
def test_gym_qa_as_a_whole_breaks_down_within_seconds(shared: Path) -> None:
    from gymqa.finegym.annotations import open_release

    release = open_release(shared / "finegym", "gym99")
    questions = build_questions(release.read_clips(release.val_list), release.taxonomy, "attribute")
    found = breakdown(questions, scored(questions), taxonomy=release.taxonomy)
    assert sum(one.n for one in found if one.facet == "set") == 8521
    assert {one.value for one in found if one.facet == "event"} == {"VT", "FX", "BB", "UB"}
