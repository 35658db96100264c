"""Group scores of minimal pairs: a group is right where all of its questions are."""

from collections.abc import Sequence

import numpy as np

from eval.stats.bootstrap import FloatArray, IntArray
from gymqa.questions.schema import Question

Key = tuple[str, str]
"""A group, or a question without one."""


def group_scores(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> tuple[FloatArray, list[str]]:
    """Group scores from question scores; a question without a group forms one of its own.

    A group's score is the product of its questions' scores: 1 only where all are right, and for an independent guesser
    the probability of that. With several scores per question, the products are averaged.

    Args:
        questions: [n].
        points: [n] in [0, 1], 0 or 1 for an answer, a fraction for an expected value; or [n, r] for r repetitions,
            multiplied within each repetition.

    Returns:
        The group scores, float [g], in the order of their first questions, and the video of each group's first
        question, for the clustered interval.

    Raises:
        ValueError: points and questions differ in number.
    """
    videos: dict[Key, str] = {}
    for question in questions:
        videos.setdefault(_key(question), question.video_id)
    return _scores(_group_indices(questions), points), list(videos.values())


def group_points(questions: Sequence[Question], points: Sequence[float] | FloatArray) -> FloatArray:
    """The group score of each question, float [n].

    Raises:
        ValueError: points and questions differ in number.
    """
    indices = _group_indices(questions)
    return _scores(indices, points)[indices]


def _group_indices(questions: Sequence[Question]) -> IntArray:
    """Group index of each question, int [n], numbered by first appearance."""
    numbers: dict[Key, int] = {}
    return np.array([numbers.setdefault(_key(question), len(numbers)) for question in questions], dtype=np.int64)


def _scores(indices: IntArray, points: Sequence[float] | FloatArray) -> FloatArray:
    """The group scores, float [g]."""
    given = np.asarray(points, dtype=np.float64)  # [n] or [n, r]
    if len(given) != len(indices):
        raise ValueError(f"the argument points has {len(given)} scores for {len(indices)} questions")
    found = np.ones((int(indices.max(initial=-1)) + 1, *given.shape[1:]))
    np.multiply.at(found, indices, given)
    return found if given.ndim == 1 else np.asarray(found.mean(axis=1), dtype=np.float64)


def _key(question: Question) -> Key:
    return ("group", question.group) if question.group else ("question", question.id)
