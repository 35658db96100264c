"""What the harness asks of a model: a name and answers. Any object that has them will do; nothing is imported."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from gymqa.questions.schema import Answer, Question


@runtime_checkable
class AnswerModel(Protocol):
    """Something that answers multiple-choice questions.

    `answer` returns one Answer a question, in any order. A question it cannot answer gets `choice=None` and the
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
    """A model that can say what it is made of, so that its old answers are not taken for a changed model's."""

    def fingerprint(self) -> Mapping[str, Any]:
        """JSON values that differ whenever the answers could."""
        ...


@runtime_checkable
class Written(Protocol):
    """Answers that were written down before, by the ids of their questions."""

    def holds(self, question_id: str) -> bool:
        """Whether there is one to a question."""
        ...


@runtime_checkable
class Metered(Protocol):
    """A model that is paid by the token, and counts them in its answers' `detail.tokens`."""

    def pay_for(self, run: str) -> None:
        """Name the run that is paid for from now on: what it paid for before it was stopped is its own."""
        ...

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """The price of so many tokens; None where no price is known."""
        ...
