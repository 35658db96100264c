"""Asks six questions of a model that waits forever when it is asked the fifth: `python -m tests.hanging_asker OUT`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eval.runner import run
from gymqa.questions import Answer, Question
from tests.test_runner import questions


class Hanging:
    """Notes what it is asked, and hangs on q4."""

    name = "hanging"

    def __init__(self, notes: Path) -> None:
        self.notes = notes

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        with self.notes.open("a") as file:
            file.write(" ".join(question.id for question in questions) + "\n")
        if any(question.id == "q4" for question in questions):
            time.sleep(3600)
        return [Answer(question.id, 1) for question in questions]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else None
    run(Hanging(out.with_name("asked")), questions(9), out, 3, answer_timeout=limit)
