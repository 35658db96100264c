"""Minimal pairs scored as groups: a group counts when all of its questions are answered right."""

from collections.abc import Sequence

import numpy as np

from eval.statistics import FloatArray
from gymqa.questions import Question

Key = tuple[str, str]
"""A group, or a question without one."""


def group_scores(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> tuple[FloatArray, list[str]]:
    """From the questions' scores to the groups', a question without a group being one of its own.

    A group's score is the product of its questions': 1 only where all are right, and for a guesser that draws each
    answer by itself the chance of that.

    Args:
        questions: [n].
        points: [n] in [0, 1]; 0 or 1 for an answer, a fraction for an expected value.

    Returns:
        The scores of the groups, float [g], in the order of their first questions, and the video of each group for
        the clustered interval: that of its first question.

    Raises:
        ValueError: not as many points as questions.
    """
    scores = _scores(questions, points)
    videos: dict[Key, str] = {}
    for question in questions:
        videos.setdefault(_key(question), question.video_id)
    return np.array(list(scores.values()), dtype=np.float64), list(videos.values())


def group_points(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> FloatArray:
    """The score of each question's group, float [n]; their mean is the groups' where all groups are of one size.

    Raises:
        ValueError: not as many points as questions.
    """
    scores = _scores(questions, points)
    return np.array([scores[_key(question)] for question in questions], dtype=np.float64)


def _scores(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> dict[Key, float]:
    """The groups' scores, in the order of their first questions."""
    scores: dict[Key, float] = {}
    for question, point in zip(questions, points, strict=True):
        key = _key(question)
        scores[key] = scores.get(key, 1.0) * float(point)
    return scores


def _key(question: Question) -> Key:
    return ("group", question.group) if question.group else ("question", question.id)
