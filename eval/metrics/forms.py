"""The forms in which questions are asked: as they stand, under every rotation of their choices, or in twos."""

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
    """What a model is asked for these questions in a form, question after question.

    Raises:
        GymQAError: a question is itself a rotation or one of two.
    """
    if form == "rotated":
        return [one for question in questions for one in rotations(question)]
    if form == "binaries":
        return [one for question in questions for one in binary_questions(question)]
    return list(questions)


def form_of(question_id: str) -> Form:
    """The form that a question's id tells."""
    return "rotated" if is_rotation(question_id) else "binaries" if is_binary(question_id) else "plain"


def scores_of(
    questions: Sequence[Question], answers: Mapping[Form, Sequence[Prediction]]
) -> dict[str, tuple[FloatArray, float]]:
    """What the answers in these forms are worth beside plain accuracy.

    Args:
        questions: [n], as they stand in their file.
        answers: in each form that was asked.

    Returns:
        By metric the score of each question, float [n], and the share of what was asked that was answered. For the
        rotations' average the score under each rotation, float [n, r]: `counted` takes both. Of plain
        answers with probabilities, where any question has more than two choices, the share of twos that they are right
        in.

    Raises:
        GymQAError: answers to other questions, or a question answered twice.
    """
    found: dict[str, tuple[FloatArray, float]] = {}
    if rotated := answers.get("rotated"):
        asked = sum(len(question.choices) for question in questions)
        found[ROTATED] = rotation_points(questions, rotated), _answered(rotated, asked)
        found[CIRCULAR] = circular_scores(questions, rotated), found[ROTATED][1]
    if twos := answers.get("binaries"):
        points, asked = binary_scores(questions, twos), sum(len(question.choices) - 1 for question in questions)
        found[BINARY] = points, _answered(twos, asked)
        found[MULTIPLE_BINARY] = multiple_binary(points), found[BINARY][1]
    plain = answers.get("plain", ())
    shown = [one for one in plain if one.choice is not None]
    if any(len(one.choices) > 2 for one in questions) and shown and all(one.probabilities for one in shown):
        points = binary_scores_of_likelihoods(questions, plain)
        found[BINARY_BY_PROBABILITY] = points, _answered(plain, len(questions))
    return found


def counted(
    metric: str, questions: Sequence[Question], points: Sequence[float] | FloatArray
) -> tuple[FloatArray, list[str]]:
    """The scores whose mean a metric is, float [g], and the video of each, for the clustered interval.

    What has to be right together counts by minimal pairs (`eval.metrics.minimal_pairs.group_scores`). The share of
    twos counts by single questions: chance is 1/2 there, and a product of two questions'
    shares would be no share of anything.

    Args:
        metric: a key of `scores_of`, or another name whose scores count by pairs.
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
