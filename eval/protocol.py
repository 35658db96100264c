"""What the harness asks of a model: a name and answers. Any object that has them will do; nothing is imported."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from gymqa.questions import Answer, Question


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
    """A model that costs: requests, tokens, money."""

    def usage(self) -> Mapping[str, Any]:
        """What was used since the model was made; JSON values."""
        ...
