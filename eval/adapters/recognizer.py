"""Answers from saved class probabilities of a recognizer: the most probable class among the choices."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from eval.stats.bootstrap import FloatArray
from gymqa.questions.schema import Answer, Question
from gymqa.questions.scoring import answer_from


class RecognizerAnswerer:
    """AnswerModel over saved class probabilities.

    Args:
        name: name in the leaderboard.
        probabilities: clip id -> probabilities [C] over the setting's classes, summing to 1.
        errors: clip id -> why it has no probabilities.
    """

    def __init__(
        self,
        name: str,
        probabilities: Mapping[str, FloatArray | Sequence[float]],
        errors: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._probabilities = probabilities
        self._errors = errors or {}

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer with the choices' class probabilities, normalised to sum 1; a clip without any is unanswered."""
        return [self._answer(question) for question in questions]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return a hash of all probabilities and errors."""
        digest = hashlib.blake2b(digest_size=16)
        for clip in sorted(self._probabilities):
            digest.update(clip.encode() + b"\0" + np.asarray(self._probabilities[clip], dtype=np.float64).tobytes())
        digest.update(repr(sorted(self._errors.items())).encode())
        return {"recognizer": self.name, "probabilities": digest.hexdigest()}

    def _answer(self, question: Question) -> Answer:
        found = self._classes(question)
        return Answer(question.id, None, None, found) if isinstance(found, str) else answer_from(question.id, found)

    def _classes(self, question: Question) -> tuple[float, ...] | str:
        """Log-probabilities of the choices' classes, or the reason why there are none."""
        classes = self._probabilities.get(question.clip_id)
        if classes is None:
            return self._errors.get(question.clip_id, f"no class probabilities for clip {question.clip_id}")
        if not question.choice_labels:
            return "its choices are no classes, and a recognizer knows classes only"
        beyond = [label for label in question.choice_labels if not 0 <= label < len(classes)]
        if beyond:
            return f"the recognizer has {len(classes)} classes, no class {beyond[0]}"
        chosen = [float(classes[label]) for label in question.choice_labels]
        return tuple(math.log(value) if value > 0 else -math.inf for value in chosen)
