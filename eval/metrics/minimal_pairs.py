"""Minimal pairs scored as groups: a group counts when all of its questions are answered right."""

from collections.abc import Sequence

import numpy as np

from eval.stats.bootstrap import FloatArray, IntArray
from gymqa.questions.schema import Question

Key = tuple[str, str]
"""A group, or a question without one."""


def group_scores(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> tuple[FloatArray, list[str]]:
    """From the questions' scores to the groups', a question without a group being one of its own.

    A group's score is the product of its questions': 1 only where all are right, and for a guesser that draws each
    answer by itself the chance of that. Of several scores a question, the products are averaged.

    Args:
        questions: [n].
        points: [n] in [0, 1], 0 or 1 for an answer, a fraction for an expected value; or [n, r], one for each of r
            times that the questions were asked, a group's by the same time.

    Returns:
        The scores of the groups, float [g], in the order of their first questions, and the video of each group for
        the clustered interval: that of its first question.

    Raises:
        ValueError: not as many points as questions.
    """
    videos: dict[Key, str] = {}
    for question in questions:
        videos.setdefault(_key(question), question.video_id)
    return _scores(_places(questions), points), list(videos.values())


def group_points(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> FloatArray:
    """The score of each question's group, float [n]; their mean is the groups' where all groups are of one size.

    Raises:
        ValueError: not as many points as questions.
    """
    places = _places(questions)
    return _scores(places, points)[places]


def _places(questions: Sequence[Question]) -> IntArray:
    """The number of each question's group, int [n], in the order of the groups' first questions."""
    numbers: dict[Key, int] = {}
    return np.array([numbers.setdefault(_key(question), len(numbers)) for question in questions], dtype=np.int64)


def _scores(places: IntArray, points: Sequence[float] | FloatArray) -> FloatArray:
    """The groups' scores, float [g]."""
    given = np.asarray(points, dtype=np.float64)  # [n] or [n, r]
    if len(given) != len(places):
        raise ValueError(f"the argument points has {len(given)} scores for {len(places)} questions")
    found = np.ones((int(places.max(initial=-1)) + 1, *given.shape[1:]))
    np.multiply.at(found, places, given)
    return found if given.ndim == 1 else np.asarray(found.mean(axis=1), dtype=np.float64)


def _key(question: Question) -> Key:
    return ("group", question.group) if question.group else ("question", question.id)
