"""Protocols of answering models (`AnswerModel`); a file of its own so that models import nothing of the runner.

Any object with these attributes will do; it need not inherit.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from gymqa.questions.schema import Answer, Question


@runtime_checkable
class AnswerModel(Protocol):
    """A model that answers multiple-choice questions.

    `answer` returns one Answer per question, in any order. A question it cannot answer gets `choice=None` and the
    reason in `error`; it is never left out and never guessed.
    """

    @property
    def name(self) -> str:
        """Name in the leaderboard."""
        ...

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer one batch."""
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """A model with a fingerprint, so that answers of a changed model are not mixed with old ones."""

    def fingerprint(self) -> Mapping[str, Any]:
        """JSON values that differ whenever the answers could."""
        ...


class FingerprintedModel(AnswerModel, Fingerprinted, Protocol):
    """An AnswerModel with a fingerprint."""


@runtime_checkable
class Recorded(Protocol):
    """A model of precomputed answers, by question id."""

    def holds(self, question_id: str) -> bool:
        """Whether there is an answer to a question."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A model that is paid per token, and counts tokens in its answers' `detail.tokens`."""

    def pay_for(self, run: str) -> None:
        """Name the run that pays for the following requests, also after it was stopped and resumed."""
        ...

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Price of these tokens; None where no price is known."""
        ...
