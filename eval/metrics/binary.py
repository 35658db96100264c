"""Multiple-binary accuracy: each wrong choice against the right one in a two-choice question.

TemporalBench (Cai et al. 2024, section 3.3): among similar choices a model can often tell the odd one out without the
video; in two-choice (binary) questions it cannot. A question counts where all its binary questions are right
(multiple-binary accuracy); the fraction of right ones is the binary accuracy. Chance is 1/2^(choices - 1) and 1/2.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from eval.metrics.circular import by_question_id
from eval.stats.bootstrap import FloatArray
from gymqa.errors import GymQAError
from gymqa.questions.schema import Prediction, Question
from gymqa.runtime.seeding import SeededRandom

_MARK = "~b"


def binary_questions(question: Question) -> list[Question]:
    """The binary questions of a question: the right choice and the i-th wrong one, as `<id>~b<i>`.

    Their order is drawn by the id, so that letters balance in aggregate.

    Raises:
        GymQAError: the question is itself a binary one.
    """
    if is_binary(question.id):
        raise GymQAError(f"question {question.id} is one of two already; take the question it was made of")
    wrong = [index for index in range(len(question.choices)) if index != question.answer]
    return [_pair(question, index, number) for number, index in enumerate(wrong, start=1)]


def is_binary(question_id: str) -> bool:
    """Whether an id is that of a binary question."""
    return re.search(rf"{_MARK}\d+$", question_id) is not None


def _pair(question: Question, wrong: int, number: int) -> Question:
    id = f"{question.id}{_MARK}{number}"
    order = list(SeededRandom(id).shuffled([question.answer, wrong]))
    return replace(
        question,
        id=id,
        choices=tuple(question.choices[index] for index in order),
        choice_labels=tuple(question.choice_labels[index] for index in order) if question.choice_labels else (),
        answer=order.index(question.answer),
    )


def binary_scores(questions: Sequence[Question], predictions: Sequence[Prediction]) -> FloatArray:
    """Fraction of each question's binary questions answered right, float [n]; multiple-binary accuracy counts 1s.

    Args:
        questions: [n], with all their choices.
        predictions: of `binary_questions`; a missing one is wrong.

    Raises:
        GymQAError: a question twice, or answers to other binary questions.
    """
    known = by_question_id(predictions)
    asked = {binary.id for question in questions for binary in binary_questions(question)}
    if unknown := known.keys() - asked:
        raise GymQAError(f"{len(unknown)} predictions are of no two choices of these questions; give theirs")
    return np.array([_right_fraction(question, known) for question in questions], dtype=np.float64)


def _right_fraction(question: Question, known: Mapping[str, Prediction]) -> float:
    rights = []
    for binary in binary_questions(question):
        found = known.get(binary.id)
        if found is not None and (found.answer, found.clip_id) != (binary.answer, binary.clip_id):
            raise GymQAError(f"{binary.id} was answered as another question; run the model on these questions")
        rights.append(found is not None and found.choice == binary.answer)
    return float(np.mean(rights))


def binary_scores_of_likelihoods(questions: Sequence[Question], predictions: Sequence[Prediction]) -> FloatArray:
    """Binary scores from the probabilities of all choices, float [n]: right where the right choice is more probable.

    A tie is wrong, and so is all of an unanswered or missing question. Multiple-binary accuracy is then the plain
    accuracy; only the fraction is new.

    Raises:
        GymQAError: a question twice.
    """
    known = by_question_id(predictions)
    fractions = [_likelier(known[question.id]) if question.id in known else 0.0 for question in questions]
    return np.array(fractions, dtype=np.float64)


def _likelier(prediction: Prediction) -> float:
    if prediction.probabilities is None or prediction.choice is None:
        return 0.0
    right = prediction.probabilities[prediction.answer]
    others = [one for index, one in enumerate(prediction.probabilities) if index != prediction.answer]
    return float(np.mean([right > one for one in others]))


def multiple_binary(scores: FloatArray) -> FloatArray:
    """1 where every binary question is right, else 0; float [n]."""
    return np.asarray(scores == 1.0, dtype=np.float64)
