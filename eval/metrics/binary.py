"""Multiple-binary accuracy: the right choice against each wrong one by itself.

TemporalBench (Cai et al. 2024, section 3.3): of four choices that are alike, a model can often tell the odd one out
without the video. Asked in twos that does not help; a question counts where it is right in all of them (multiple-binary
accuracy), and the share of the twos is the binary accuracy. Chance is 1/2^(choices - 1) and 1/2.
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
    """The question with two choices, the right one and the i-th wrong one, as `<id>~b<i>`.

    Which of the two comes first is drawn by the id, so that letters balance in aggregate.

    Raises:
        GymQAError: the question's id ends as that of one of two.
    """
    if is_binary(question.id):
        raise GymQAError(f"question {question.id} is one of two already; take the question it was made of")
    wrong = [index for index in range(len(question.choices)) if index != question.answer]
    return [_pair(question, index, number) for number, index in enumerate(wrong, start=1)]


def is_binary(question_id: str) -> bool:
    """Whether an id is one of `binary_questions`."""
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
    """The share of its binaries that each question is right in, float [n]; 1 is what multiple-binary accuracy counts.

    Args:
        questions: [n], with all their choices.
        predictions: of `binary_questions`; one that is not there is wrong.

    Raises:
        GymQAError: a question twice, or answers to other binaries.
    """
    known = by_question_id(predictions)
    asked = {binary.id for question in questions for binary in binary_questions(question)}
    if strange := known.keys() - asked:
        raise GymQAError(f"{len(strange)} predictions are of no two choices of these questions; give theirs")
    return np.array([_share(question, known) for question in questions], dtype=np.float64)


def _share(question: Question, known: Mapping[str, Prediction]) -> float:
    rights = []
    for binary in binary_questions(question):
        found = known.get(binary.id)
        if found is not None and (found.answer, found.clip_id) != (binary.answer, binary.clip_id):
            raise GymQAError(f"{binary.id} was answered as another question; run the model on these questions")
        rights.append(found is not None and found.choice == binary.answer)
    return float(np.mean(rights))


def binary_scores_of_likelihoods(questions: Sequence[Question], predictions: Sequence[Prediction]) -> FloatArray:
    """The same from the probabilities of all choices: a binary is right where the right choice is the likelier.

    A tie is wrong, and so is all of a question that is unanswered or was not asked. Multiple-binary accuracy is then
    that of the most likely choice; what is new is the share, float [n].

    Raises:
        GymQAError: a question twice.
    """
    known = by_question_id(predictions)
    shares = [_likelier(known[question.id]) if question.id in known else 0.0 for question in questions]
    return np.array(shares, dtype=np.float64)


def _likelier(prediction: Prediction) -> float:
    if prediction.probabilities is None or prediction.choice is None:
        return 0.0
    right = prediction.probabilities[prediction.answer]
    others = [one for index, one in enumerate(prediction.probabilities) if index != prediction.answer]
    return float(np.mean([right > one for one in others]))


def multiple_binary(scores: FloatArray) -> FloatArray:
    """1 where every binary is right, else 0; float [n]."""
    return np.asarray(scores == 1.0, dtype=np.float64)
