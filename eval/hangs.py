"""A model that hangs while it answers: its process is ended, and the questions it was at are asked by themselves.

Nothing inside a process can stop a model that waits in C code for a device or a server, so the process ends, with
status 2, and notes what it was asked. The same command then goes on: what was asked when it hung comes last, one
question at a time, so that the one that hangs is found; a question that has hung twice is left unanswered.
"""

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gymqa.questions import Question

SUFFIX = ".hung"  # of a file of notes, one list of question ids a line
TIMES = 2  # that a question may hang
_NAMED = 5  # questions in the sentence


@dataclass(frozen=True, slots=True)
class Watch:
    """What one call of a model may take.

    Attributes:
        seconds: None is no limit.
        notes: file that what hung is noted in.
        name: of the model.
    """

    seconds: float | None
    notes: Path
    name: str

    @contextmanager
    def over(self, batch: Sequence[Question]) -> Iterator[None]:
        """End this process if what is done inside takes too long."""
        if self.seconds is None:
            yield
            return
        timer = threading.Timer(self.seconds, self._end, [[question.id for question in batch]])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def order(self, batches: Sequence[Sequence[Question]]) -> tuple[list[list[Question]], list[Question]]:
        """What is to be asked, what hung last and alone, and what is given up.

        Without a limit nothing is given up, and everything is asked as it comes.
        """
        hung = self._hung() if self.seconds is not None else Counter()
        whole = [[question for question in batch if not hung[question.id]] for batch in batches]
        alone = [[question] for batch in batches for question in batch if 0 < hung[question.id] < TIMES]
        lost = [question for batch in batches for question in batch if hung[question.id] >= TIMES]
        return [batch for batch in whole if batch] + alone, lost

    @property
    def reason(self) -> str:
        """Why a question is given up."""
        return f"no answer within {self.seconds or 0:g} s, {TIMES} times"

    def _hung(self) -> Counter[str]:
        """How often each question was being asked when a process hung, whichever process."""
        paths = self.notes.parent.glob(f"*{SUFFIX}")
        return Counter(id for path in paths for line in path.read_text("utf-8").splitlines() for id in json.loads(line))

    def _end(self, ids: list[str]) -> None:
        with self.notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(ids) + "\n")
        named = ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")
        sentence = f"{self.name} gave no answer to {named} within {self.seconds:g} s; the same command goes on"
        print(f"\ngymqa: {sentence}", file=sys.stderr, flush=True)
        os._exit(2)  # whatever else this process would do, it would wait for the model
