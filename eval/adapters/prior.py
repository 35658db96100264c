"""Adapter `prior`: the most frequent answer in the training questions, without any video."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.adapters.request import Loaded, Request, control_independent
from gymqa.errors import GymQAError
from gymqa.hub.question_dataset import question_files
from gymqa.questions.files import load_questions
from gymqa.questions.schema import Answer, Question
from gymqa.questions.scoring import answer_from


class Prior:
    """AnswerModel of answer frequencies: P(choice i) ∝ n(question text, choice text) + p(letter i).

    n is how often that text was the right answer to that question text in training, p how often that letter was the
    right one among all training questions; the letters decide between texts that were right equally often.

    Args:
        name: name in the leaderboard.
        training: questions with their answers; none of the evaluated ones.

    Raises:
        GymQAError: no training question.
    """

    def __init__(self, name: str, training: Sequence[Question]) -> None:
        if not training:
            raise GymQAError("the prior has no training question to count answers in; name a file that holds some")
        self.name = name
        self._texts = Counter((one.text, one.choices[one.answer]) for one in training)
        self._letters = Counter(one.answer for one in training)
        self._n = len(training)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer with the choice that was most often right in training; a tie is unanswered."""
        found = zip(questions, self.choice_logprobs(questions), strict=True)
        return [answer_from(question.id, logprobs) for question, logprobs in found]

    def choice_logprobs(self, questions: Sequence[Question]) -> list[tuple[float, ...]]:
        """Log-probabilities of each question's choices, in nats; their probabilities sum to 1, unless all are 0."""
        return [self._logprobs(question) for question in questions]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return a hash of the counts."""
        counts = json.dumps([sorted(self._texts.items()), sorted(self._letters.items())])
        return {"counts": hashlib.sha256(counts.encode()).hexdigest()}

    def _logprobs(self, question: Question) -> tuple[float, ...]:
        weights = [
            self._texts[question.text, choice] + self._letters[index] / self._n
            for index, choice in enumerate(question.choices)
        ]
        total = math.fsum(weights)
        return tuple(math.log(weight / total) if weight else -math.inf for weight in weights)


def load(request: Request) -> Loaded:
    """The adapter `prior`.

    Raises:
        GymQAError: no training questions were named, or a file is missing or invalid.
    """
    path = request.options.training
    if path is None:
        raise GymQAError("the adapter prior needs training questions; name them with --options.training")
    training = [question for file in question_files(path) for question in load_questions(file)]
    return control_independent(Prior(request.name, training), "prior", request)
