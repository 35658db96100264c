"""Rotations, binaries, position bias and calibration: hand counts, and what known guessers score."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.metrics.binary import binary_questions, binary_scores, binary_scores_of_likelihoods, multiple_binary
from eval.metrics.calibration import confidences, expected_calibration_error, position_bias, reliability
from eval.metrics.circular import circular_scores, rotation_averaged, rotations
from gymqa.errors import GymQAError
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import from_line, to_line
from gymqa.questions.schema import Answer, Prediction, Question
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import naming


def asked(n: int = 24, benchmark: str = "gym-qa") -> list[Question]:
    clips = [clip(number % len(GYMSIM), number, f"v{number % 5}") for number in range(n)]
    return build_questions(clips, GYMSIM, benchmark)


def said(question: Question, choice: int | None) -> Prediction:
    return Prediction.of(question, Answer(question.id, choice))


def test_every_rotation_asks_the_same_and_puts_the_answer_on_every_letter_once() -> None:
    for question in asked():
        turned = rotations(question)
        assert turned[0] == question and len({one.id for one in turned}) == 4
        assert [one.id for one in turned[1:]] == [f"{question.id}~r{by}" for by in (1, 2, 3)]
        assert sorted(one.answer for one in turned) == [0, 1, 2, 3]
        for one in turned:
            assert one.choices[one.answer] == question.choices[question.answer]
            assert sorted(one.choices) == sorted(question.choices)
            assert [GYMSIM.elements[label].display_name for label in one.choice_labels] == list(one.choices)
            assert from_line(Question, to_line(one)) == one and one.benchmark == question.benchmark
        with pytest.raises(GymQAError, match=naming(turned[1].id)):
            rotations(turned[1])


def test_whoever_always_says_a_is_right_in_a_quarter_of_the_rotations_and_never_in_all() -> None:
    questions = asked()
    predictions = [said(one, 0) for question in questions for one in rotations(question)]
    assert rotation_averaged(questions, predictions).tolist() == [0.25] * len(questions)
    assert not circular_scores(questions, predictions).any()


def test_a_rotation_that_is_wrong_unanswered_or_missing_costs_the_question() -> None:
    questions = asked(4)
    turned = [rotations(question) for question in questions]
    predictions = [said(one, one.answer) for one in turned[0]]
    predictions += [said(one, one.answer if one is not turned[1][2] else (one.answer + 1) % 4) for one in turned[1]]
    predictions += [said(one, one.answer if one is not turned[2][3] else None) for one in turned[2]]
    predictions += [said(one, one.answer) for one in turned[3][1:]]
    assert circular_scores(questions, predictions[::-1]).tolist() == [1, 0, 0, 0]
    assert rotation_averaged(questions, predictions).tolist() == [1, 0.75, 0.75, 0.75]


def test_predictions_of_other_questions_are_refused() -> None:
    questions = asked(2)
    (first, *_) = rotations(questions[0])
    right = said(first, first.answer)
    for wrong in (
        [right, right],
        [replace(right, question_id="other")],
        [replace(right, answer=(first.answer + 1) % 4)],
    ):
        with pytest.raises(GymQAError):
            circular_scores(questions, wrong)


def test_binaries_set_the_right_choice_against_each_wrong_one() -> None:
    first = []
    for question in asked(200):
        pairs = binary_questions(question)
        assert [one.id for one in pairs] == [f"{question.id}~b{number}" for number in (1, 2, 3)]
        right = question.choices[question.answer]
        assert {one.choices[1 - one.answer] for one in pairs} == {*question.choices} - {right}
        assert all(one.choices[one.answer] == right for one in pairs)
        first += [one.answer for one in pairs]
    assert 0.42 < np.mean(first) < 0.58  # 600 draws


def test_a_question_counts_where_all_its_binaries_are_right() -> None:
    questions = asked(3)
    pairs = [binary_questions(question) for question in questions]
    predictions = [said(one, one.answer) for one in pairs[0]]
    predictions += [said(one, one.answer if number else 1 - one.answer) for number, one in enumerate(pairs[1])]
    scores = binary_scores(questions, predictions)
    assert scores == pytest.approx([1, 2 / 3, 0])
    assert multiple_binary(scores).tolist() == [1, 0, 0]
    with pytest.raises(GymQAError, match=naming(1)):
        binary_scores(questions[1:], [*predictions[3:], said(pairs[0][0], 0)])
    with pytest.raises(GymQAError, match=naming(pairs[0][0].id)):
        binary_questions(pairs[0][0])


@given(st.lists(st.lists(st.integers(0, 9), min_size=4, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
def test_from_likelihoods_all_binaries_are_right_where_the_answer_is_the_single_most_likely(
    rows: list[list[int]], answer: int
) -> None:
    predictions = [
        Prediction("q", "c", "v", "b", int(np.argmax(row)), answer, tuple(value / 10 for value in row)) for row in rows
    ]
    asked_for = [Question("q", "c", "v", "Which?", tuple("abcd"), answer, "set", "set", (), "FX", 1, 0, "counting")]
    scores = np.concatenate([binary_scores_of_likelihoods(asked_for, [one]) for one in predictions])
    assert multiple_binary(scores).tolist() == [float(sorted(row)[2] < row[answer]) for row in rows]
    assert scores.tolist() == pytest.approx([sum(value < row[answer] for value in row) / 3 for row in rows])


def test_letters_are_counted_by_hand() -> None:
    questions = [replace(one, choice_labels=(), kind="counting", answer=place, choices=("1", "2", "3"))
                 for one, place in zip(asked(5), (0, 0, 1, 2, 2), strict=True)]  # fmt: skip
    found = position_bias(questions, [0, 1, 1, 1, None])
    assert [(one.letter, one.right, one.chosen, one.recall) for one in found.letters] == [
        ("A", 2, 1, 0.5), ("B", 1, 3, 1.0), ("C", 2, 0, 0.0),
    ]  # fmt: skip
    assert found.answered == 4 and found.recall_spread == pytest.approx(np.std([0.5, 1.0, 0.0]))
    assert [one.chosen_wrong for one in found.letters] == [0, 2, 0]
    assert [one.expected_wrong for one in found.letters] == [0.5, 1.0, 0.5]
    # Two wrong answers, each B with chance 1/2: excess (-0.5, 1, -0.5), variance of B 0.5, so chi-square is 2 of 2.
    assert found.chi_square == pytest.approx(2.0)


@pytest.mark.slow
def test_an_even_hand_is_called_biased_5_times_in_100_and_a_lover_of_b_is_found() -> None:
    rng = np.random.default_rng(0)
    questions = asked(200)
    answers = np.array([question.answer for question in questions])
    p_values, found = [], 0
    for _ in range(200):
        even = np.where(rng.random(200) < 0.5, answers, (answers + rng.integers(1, 4, 200)) % 4)
        p_values.append(position_bias(questions, even.tolist()).p)
        lover = np.where(rng.random(200) < 0.15, 1, even)
        found += position_bias(questions, lover.tolist()).p < 0.05
    assert np.mean(np.array(p_values) < 0.05) < 0.10
    assert found > 150
    assert position_bias(questions, answers.tolist()).p == 1.0  # always right: nothing shows a preference
    assert position_bias(questions, [None] * 200).answered == 0


def test_reliability_by_hand() -> None:
    found = reliability([0.05, 0.1, 0.3, 0.95, 1.0, 0.0], [0, 1, 0, 1, 1, 0], bins=10)
    assert [(one.low, one.n, one.accuracy) for one in found] == [
        (0.0, 3, pytest.approx(1 / 3)),
        (0.2, 1, 0.0),
        (0.9, 2, 1.0),
    ]
    expected = (3 * abs(1 / 3 - 0.05) + 1 * 0.3 + 2 * 0.025) / 6
    assert expected_calibration_error(found) == pytest.approx(expected)
    assert reliability([], []) == [] and expected_calibration_error([]) == 0.0


def test_a_model_that_is_right_as_often_as_it_says_has_hardly_an_error() -> None:
    rng = np.random.default_rng(1)
    sure = rng.random(20_000)
    right = (rng.random(20_000) < sure).astype(float)
    assert expected_calibration_error(reliability(sure, right)) < 0.02
    assert expected_calibration_error(reliability(np.sqrt(sure), right)) > 0.1


def test_only_answers_with_probabilities_say_how_sure_they_are() -> None:
    base = Prediction("q", "c", "v", "b", 1, 1, (0.2, 0.8))
    sure, right = confidences(
        [base, replace(base, choice=None), replace(base, probabilities=None), replace(base, answer=0)]
    )
    assert (sure.tolist(), right.tolist()) == ([0.8, 0.8], [1.0, 0.0])
    with pytest.raises(ValueError, match=naming(1)):
        reliability([0.5], [])
