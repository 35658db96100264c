"""Provenance of answers (`Detail`): hash of the prompt, frames shown, reply, and revision of the model."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from eval.adapters.clip_frames import ClipFrames
from eval.run.protocol import FingerprintedModel
from gymqa.frames.controls import Shown
from gymqa.questions.schema import Answer, Detail, Question


def detailed(
    answer: Answer, question: Question, prompt: str, frames: ClipFrames | None, reply: str = "", revision: str = ""
) -> Answer:
    """The answer with its Detail: hash of the prompt, frames shown, reply, and revision of the model."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    if frames is None:
        return replace(answer, detail=Detail(digest, (), revision, reply))
    other, indices = frames.shown(question.clip_id)
    return replace(answer, detail=Detail(digest, indices, revision, reply, other))


class Provenance:
    """Wraps a model that reads features or class scores, and adds a Detail to each of its answers.

    A question that was left unanswered before the model ran gets none.

    Args:
        model: the answering model.
        revision: of its weights.
        shown: by clip id the clip and frame indices its features were computed from; other clips have none.
        prompt: the whole prompt of a question, for a model that has one.
    """

    def __init__(
        self,
        model: FingerprintedModel,
        revision: str,
        shown: Mapping[str, Shown],
        prompt: Callable[[Question], str] | None = None,
    ) -> None:
        self.name, self._model, self._revision, self._shown, self._prompt = model.name, model, revision, shown, prompt

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """The model's answers, each with its Detail."""
        asked = {question.id: question for question in questions}
        return [self._detailed(answer, asked[answer.question_id]) for answer in self._model.answer(questions)]

    def fingerprint(self) -> Mapping[str, Any]:
        """The wrapped model's fingerprint; provenance changes no answer."""
        return self._model.fingerprint()

    @property
    def choice_logprobs(self) -> Callable[[Sequence[Question]], list[tuple[float, ...] | None]]:
        """The wrapped model's log-probabilities of choices; without them there is no such attribute."""
        model: Any = self._model
        scores: Callable[[Sequence[Question]], list[tuple[float, ...] | None]] = model.choice_logprobs
        return scores

    def _detailed(self, answer: Answer, question: Question) -> Answer:
        if answer.choice is None and answer.probabilities is None:
            return answer
        prompt = "" if self._prompt is None else hashlib.sha256(self._prompt(question).encode()).hexdigest()
        other, frames = self._shown.get(question.clip_id, ("", ()))
        return replace(answer, detail=Detail(prompt, frames, self._revision, "", other))
