"""Numbered questions, and models that answer them as told."""

from collections.abc import Sequence

from gymqa.questions.schema import Answer, Question


def questions(n: int) -> list[Question]:
    return [
        Question(
            f"q{i}", f"clip{i}", f"v{i}", "Which?", ("a", "b", "c"), i % 3, "set", "set", (0, 1, 2), "FX", 1, i % 3
        )
        for i in range(n)
    ]


class Scripted:
    """Always answers the same letter, notes what it was asked, and can be told to stop or to change."""

    def __init__(self, choice: int | None = 1, stop_before: str | None = None) -> None:
        self.name, self.choice, self.stop_before = "scripted", choice, stop_before
        self.asked: list[str] = []

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if any(question.id == self.stop_before for question in questions):
            raise KeyboardInterrupt
        self.asked += [question.id for question in questions]
        return [Answer(question.id, self.choice, (0.1, 0.8, 0.1)) for question in reversed(questions)]

    def fingerprint(self) -> dict[str, object]:
        return {"choice": self.choice, "parts": ("a", "b")}


class Wrong:
    """A model that breaks its promise in one way."""

    def __init__(self, answers: list[Answer]) -> None:
        self.name, self._answers = "wrong", answers

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return self._answers
