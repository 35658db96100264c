"""Minimal pairs: one question, two clips, two answers; stable when clips are added; scored as one."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.adapters.baselines import chance, oracle_set
from eval.adapters.recognizer import RecognizerAnswerer
from eval.leaderboard.rows import build_rows
from eval.leaderboard.schema import ModelRun
from eval.metrics.circular import rotations
from eval.metrics.minimal_pairs import group_scores
from gymqa.finegym.annotations import Clip
from gymqa.questions.files import from_line, to_line
from gymqa.questions.minimal_pairs import build_minimal_pairs
from gymqa.questions.schema import Answer, Prediction, Question
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import does_name
from tests.helpers.questions import pair_of_questions

clip_lists = st.lists(
    st.tuples(st.integers(0, len(GYMSIM) - 1), st.integers(0, 20), st.sampled_from("uvw")), max_size=30, unique=True
).map(lambda drawn: [clip(*one) for one in drawn])


def groups(questions: list[Question]) -> dict[str, list[Question]]:
    found = defaultdict(list)
    for question in questions:
        found[question.group].append(question)
    return dict(found)


@given(clip_lists, st.integers(0, 9))
def test_a_pair_asks_the_same_of_two_clips_and_the_answers_differ(clips: list[Clip], seed: int) -> None:
    for first, second in groups(build_minimal_pairs(clips, GYMSIM, seed)).values():
        assert (first.text, first.choices) == (second.text, second.choices)
        assert first.answer != second.answer and first.clip_id != second.clip_id
        assert first.id != second.id and first.benchmark == "minimal-pairs"
        near = {*GYMSIM.one_decision_apart(first.element or 0)}
        twin = GYMSIM.twin(first.element or 0)
        assert second.element in near | ({twin.label} if twin else set())
        assert from_line(Question, to_line(first)) == first


@pytest.mark.slow
@given(clip_lists, clip_lists, st.integers(0, 9))
def test_added_clips_make_only_pairs_of_their_own(clips: list[Clip], more: list[Clip], seed: int) -> None:
    old = {one.id for one in clips}
    before, after = (build_minimal_pairs(part, GYMSIM, seed) for part in (clips, list({*clips, *more})))
    without_new = [pair for pair in groups(after).values() if {one.clip_id for one in pair} <= old]
    known = groups(before)
    assert all(known[pair[0].group] == pair for pair in without_new)


@given(clip_lists)
def test_every_clip_with_a_neighbour_is_asked_about(clips: list[Clip]) -> None:
    asked = {one.clip_id for one in build_minimal_pairs(clips, GYMSIM)}
    labels = {one.label for one in clips}
    for one in clips:
        assert one.label is not None
        twin = GYMSIM.twin(one.label)
        near = {*GYMSIM.one_decision_apart(one.label)} | ({twin.label} if twin else set())
        assert (one.id in asked) == bool(near & labels)


def test_the_partner_is_of_the_same_video_where_there_is_one() -> None:
    names = ("(FX) salto backward tucked", "double salto backward tucked", "(FX) salto forward tucked")
    tucked, double, forward = (GYMSIM.find(name).label for name in names)
    clips = [clip(label, 1, video) for label in (tucked, double) for video in "abcdefgh"]
    pairs = groups(build_minimal_pairs([*clips, clip(forward, 1, "w")], GYMSIM)).values()
    at_home = [pair for pair in pairs if len({one.video_id for one in pair}) == 1]
    assert {one.video_id for pair in at_home for one in pair} == set("abcdefgh")
    assert {one.text for pair in at_home for one in pair} == {"double salto?"}
    assert len(pairs) == 8 + 1  # the only forward one finds its twin in another video


def test_direction_twins_without_a_common_decision_are_asked_by_name() -> None:
    names = ("(FX) salto forward tucked", "(FX) salto backward tucked")
    first, second = build_minimal_pairs([clip(GYMSIM.find(name).label) for name in names], GYMSIM)
    assert set(first.choices) == set(names)
    assert {first.choices[first.answer], second.choices[second.answer]} == set(names)


@pytest.mark.parametrize(("points", "score"), [((1, 1), 1), ((1, 0), 0), ((0, 0), 0), ((0.5, 0.5), 0.25)])
def test_a_group_is_right_where_all_its_questions_are(points: tuple[float, float], score: float) -> None:
    worth, videos = group_scores(pair_of_questions(), points)
    assert worth.tolist() == [score] and videos == ["v"]


def test_a_question_without_a_group_counts_alone() -> None:
    asked = pair_of_questions()
    single = [Question("q", "c", "v", "What?", ("kip", "cast"), 0, "set", "set", (4, 5), "UB", 41, 4)]
    worth, _ = group_scores([*asked, *single], [1, 0, 1])
    assert worth.tolist() == [0, 1]
    with pytest.raises(ValueError, match="argument"):
        group_scores(asked, [1])


def test_the_leaderboard_counts_pairs_so_that_always_saying_the_same_scores_nothing() -> None:
    asked = pair_of_questions()
    same = ModelRun("yes-sayer", "", {"minimal-pairs": [Prediction.of(one, Answer(one.id, 0)) for one in asked]})
    right = ModelRun("seer", "", {"minimal-pairs": [Prediction.of(one, Answer(one.id, one.answer)) for one in asked]})
    rows = build_rows({"minimal-pairs": asked}, [same, right], [chance(), oracle_set(GYMSIM)], resamples=50)
    pairs = {row.model: row.value for row in rows if row.metric == "accuracy"}
    assert pairs == {"yes-sayer": 0, "seer": 1, "chance": 0.25, "oracle-set": 0.25}
    single = {row.model: (row.value, row.n) for row in rows if row.metric == "single_questions"}
    assert single == {"yes-sayer": (0.5, 2), "seer": (1, 2)}
    assert {row.n for row in rows if row.metric == "accuracy"} == {1}


def test_a_recognizer_leaves_questions_without_classes_open() -> None:
    asked = pair_of_questions()
    found = RecognizerAnswerer("r", {one.clip_id: np.full(24, 1 / 24) for one in asked}).answer(asked)
    assert len(found) == 2 and all(one.choice is None and does_name(one.error or "", "classes") for one in found)


def test_a_pair_under_rotations_counts_where_both_are_right_under_the_same_one() -> None:
    asked = pair_of_questions()
    said = [Answer(one.id, 0) for question in asked for one in rotations(question)]  # always A
    turned = [one for question in asked for one in rotations(question)]
    run = ModelRun("a", "", {}, rotated={"minimal-pairs": list(map(Prediction.of, turned, said))})
    values = {row.metric: row.value for row in build_rows({"minimal-pairs": asked}, [run], resamples=50)}
    assert values == {"rotation_averaged": 0, "circular": 0}  # A is never right for both
    right = [Prediction.of(one, Answer(one.id, one.answer if "~r" in one.id else None)) for one in turned]
    run = ModelRun("r", "", {}, rotated={"minimal-pairs": right})
    values = {row.metric: row.value for row in build_rows({"minimal-pairs": asked}, [run], resamples=50)}
    assert values == {"rotation_averaged": 0.5, "circular": 0}  # one rotation of two, not 1/2 of 1/2
