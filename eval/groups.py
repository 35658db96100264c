"""Minimal pairs scored as groups: a group counts when all of its questions are answered right."""

from collections.abc import Sequence

import numpy as np

from eval.statistics import FloatArray
from gymqa.questions import Question


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
    scores: dict[tuple[str, str], float] = {}
    videos: dict[tuple[str, str], str] = {}
    for question, point in zip(questions, points, strict=True):
        key = ("group", question.group) if question.group else ("question", question.id)
        scores[key] = scores.get(key, 1.0) * float(point)
        videos.setdefault(key, question.video_id)
    return np.array(list(scores.values()), dtype=np.float64), list(videos.values())
