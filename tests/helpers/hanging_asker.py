"""Asks nine questions of a model that waits forever when it is asked the fifth.

`python -m tests.helpers.hanging_asker OUT [SECONDS [held]]`: held waits in C code that keeps Python's lock.
"""

import ctypes
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eval.run.runner import run
from gymqa.questions.schema import Answer, Question
from tests.helpers.asked import questions


class Hanging:
    """Notes what it is asked, and hangs on q4; `held` so that no other thread of Python runs."""

    name = "hanging"

    def __init__(self, notes: Path, held: bool = False) -> None:
        self.notes, self.held = notes, held

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        with self.notes.open("a") as file:
            file.write(" ".join(question.id for question in questions) + "\n")
        if any(question.id == "q4" for question in questions):
            print("at q4")
            ctypes.PyDLL(None).sleep(3600) if self.held else time.sleep(3600)
        return [Answer(question.id, 1) for question in questions]


if __name__ == "__main__":
    out = Path(sys.argv[1])
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else None
    run(Hanging(out.with_name("asked"), "held" in sys.argv), questions(9), out, 3, answer_timeout=limit)
