"""Question forms: plain, rotated choices (CircularEval), binary; questions asked and metrics of each form."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from eval.metrics.binary import (
    binary_questions,
    binary_scores,
    binary_scores_of_likelihoods,
    is_binary,
    multiple_binary,
)
from eval.metrics.circular import circular_scores, is_rotation, rotation_points, rotations
from eval.metrics.minimal_pairs import group_scores
from eval.stats.bootstrap import FloatArray
from gymqa.questions.schema import Prediction, Question

Form = Literal["plain", "rotated", "binaries"]


def questions_in_form(form: Form, questions: Sequence[Question]) -> list[Question]:
    """The questions in a form: themselves, all their rotations, or all their binary questions.

    Raises:
        GymQAError: a question is itself a rotation or a binary question.
    """
    if form == "rotated":
        return [one for question in questions for one in rotations(question)]
    if form == "binaries":
        return [one for question in questions for one in binary_questions(question)]
    return list(questions)


def form_of(question_id: str) -> Form:
    """The form of a question, by its id."""
    return "rotated" if is_rotation(question_id) else "binaries" if is_binary(question_id) else "plain"


def scores_of(
    questions: Sequence[Question], answers: Mapping[Form, Sequence[Prediction]]
) -> dict[str, tuple[FloatArray, float]]:
    """Metrics of the answers beside plain accuracy: circular, rotation-averaged, binary, multiple-binary.

    Args:
        questions: [n], in their plain form.
        answers: predictions by form.

    Returns:
        By metric the score of each question, float [n], and the fraction answered. The rotation average has the score
        under each rotation, float [n, r]; `metric_units` takes both. Plain answers with probabilities, where any
        question has more than two choices, give the binary score by probability.

    Raises:
        GymQAError: answers to other questions, or a question answered twice.
    """
    found: dict[str, tuple[FloatArray, float]] = {}
    if rotated := answers.get("rotated"):
        asked = sum(len(question.choices) for question in questions)
        found[ROTATED] = rotation_points(questions, rotated), _answered(rotated, asked)
        found[CIRCULAR] = circular_scores(questions, rotated), found[ROTATED][1]
    if binaries := answers.get("binaries"):
        points, asked = binary_scores(questions, binaries), sum(len(question.choices) - 1 for question in questions)
        found[BINARY] = points, _answered(binaries, asked)
        found[MULTIPLE_BINARY] = multiple_binary(points), found[BINARY][1]
    plain = answers.get("plain", ())
    shown = [one for one in plain if one.choice is not None]
    if any(len(one.choices) > 2 for one in questions) and shown and all(one.probabilities for one in shown):
        points = binary_scores_of_likelihoods(questions, plain)
        found[BINARY_BY_PROBABILITY] = points, _answered(plain, len(questions))
    return found


def metric_units(
    metric: str, questions: Sequence[Question], points: Sequence[float] | FloatArray
) -> tuple[FloatArray, list[str]]:
    """The scores that a metric averages, float [g], and the video of each, for the clustered interval.

    Minimal pairs count as groups (`eval.metrics.minimal_pairs.group_scores`), except for binary accuracy: a product of
    two questions' fractions would have no meaning.

    Args:
        metric: a key of `scores_of`, or another metric that counts by pairs.
        questions: [n].
        points: their scores, [n] or [n, r].
    """
    if metric in (BINARY, BINARY_BY_PROBABILITY):
        return np.asarray(points, dtype=np.float64), [question.video_id for question in questions]
    return group_scores(questions, points)


def _answered(predictions: Sequence[Prediction], asked: int) -> float:
    return float(np.sum([one.choice is not None for one in predictions]) / asked)


ACCURACY, CIRCULAR, ROTATED = "accuracy", "circular", "rotation_averaged"
BINARY, MULTIPLE_BINARY, BINARY_BY_PROBABILITY = "binary", "multiple_binary", "binary_by_probability"
