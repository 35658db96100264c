"""CircularEval: questions under every rotation of their choices, to remove position bias.

MMBench (Liu et al. 2023, section 4.3): a question counts only where it is answered right under every rotation. The
mean over rotations is the accuracy without the luck of the letters.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from eval.stats.bootstrap import FloatArray
from gymqa.errors import GymQAError
from gymqa.questions.schema import Prediction, Question

_MARK = "~r"


def rotations(question: Question) -> list[Question]:
    """The question under every rotation of its choices, itself first; the rotation by r to the left is `<id>~r<r>`.

    Raises:
        GymQAError: the question is itself a rotation.
    """
    if is_rotation(question.id):
        raise GymQAError(f"question {question.id} is a rotation itself; rotate the question it was made of")
    return [question, *(_rotated(question, by) for by in range(1, len(question.choices)))]


def is_rotation(question_id: str) -> bool:
    """Whether an id is that of a rotated question."""
    return re.search(rf"{_MARK}\d+$", question_id) is not None


def _rotated(question: Question, by: int) -> Question:
    """The question with its choices rotated by `by` to the left."""
    n_choices, labels = len(question.choices), question.choice_labels
    return replace(
        question,
        id=f"{question.id}{_MARK}{by}",
        choices=question.choices[by:] + question.choices[:by],
        choice_labels=labels[by:] + labels[:by],
        answer=(question.answer - by) % n_choices,
    )


def circular_scores(questions: Sequence[Question], predictions: Sequence[Prediction]) -> FloatArray:
    """1 for each question right under all rotations, else 0; float [n].

    Args:
        questions: [n], unrotated.
        predictions: of all rotations of these questions, in any order; a missing one is wrong.

    Raises:
        GymQAError: a prediction of another rotation, a duplicate, or one of other choices.
    """
    return rotation_points(questions, predictions).min(axis=1, initial=1.0)


def rotation_averaged(questions: Sequence[Question], predictions: Sequence[Prediction]) -> FloatArray:
    """Fraction of rotations under which each question is right, float [n]; arguments and errors as above."""
    return np.asarray(rotation_points(questions, predictions).mean(axis=1), dtype=np.float64)


def rotation_points(questions: Sequence[Question], predictions: Sequence[Prediction]) -> FloatArray:
    """1 where a question is right under a rotation, else 0, float [n, r]; arguments and errors as above.

    Column i is rotation i. r is the least common multiple of the numbers of choices; shorter rows repeat.
    """
    known = by_question_id(predictions)
    columns = math.lcm(*(len(question.choices) for question in questions))
    points, asked = np.zeros((len(questions), columns)), 0
    for row, question in zip(points, questions, strict=True):
        rights = []
        for rotation in rotations(question):
            found = known.get(rotation.id)
            asked += found is not None
            if found is not None and (found.answer, found.clip_id) != (rotation.answer, rotation.clip_id):
                raise GymQAError(f"{rotation.id} was answered as another question; run the model on these questions")
            rights.append(found is not None and found.choice == rotation.answer)
        row[:] = np.resize(rights, columns)
    if asked < len(known):
        raise GymQAError(f"{len(known) - asked} predictions are of no rotation of these questions; give theirs")
    return points


def by_question_id(predictions: Sequence[Prediction]) -> Mapping[str, Prediction]:
    """Predictions by question id.

    Raises:
        GymQAError: a question twice.
    """
    known = {prediction.question_id: prediction for prediction in predictions}
    if len(known) < len(predictions):
        raise GymQAError("the predictions answer a question twice; run the model again")
    return known
