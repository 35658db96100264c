"""Watchdog for models that hang: ends the process after a time-out and records the questions of the call.

Nothing inside a process can stop a model that waits in C code for a device or a server, so the process ends. A timer
thread does that with status 2. It cannot run while C code holds the interpreter lock: there, a little later,
faulthandler's thread, which needs no lock, ends the process with status 1.

The questions of a call are recorded before it and removed after it. Whoever ends a hanging process writes `Timeout`
under the record, so that a process killed for another reason accuses no question. The same command then resumes:
questions recorded at a hang are asked last, one at a time, so that the one that hangs is found; a question that has
hung twice is left unanswered.
"""

import faulthandler
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from gymqa.errors import GymQAError
from gymqa.io.files import visible_files
from gymqa.io.printable import as_sentence
from gymqa.questions.schema import Question

SUFFIX = ".hung"  # of a record file: lines of question ids as a JSON list, then of what ended the process
TIMES = 2  # hangs of a question after which it is given up
LONGEST = 1e9
"""Upper limit of a time-out in seconds; thread timers cannot wait much longer."""
_GRACE = 2.0  # seconds between timer and faulthandler
_MARK = "Timeout"  # first word of faulthandler's output
_NAMED = 5  # questions named in a message


@dataclass(frozen=True, slots=True)
class Watchdog:
    """Time limit of one call of a model.

    Attributes:
        seconds: above 0 and below LONGEST; None for no limit.
        notes: record file of hanging calls.
        name: of the model.
    """

    seconds: float | None
    notes: Path
    name: str

    @contextmanager
    def over(self, batch: Sequence[Question]) -> Iterator[None]:
        """Context that ends this process if its body exceeds the limit.

        Raises:
            GymQAError: the record file cannot be written.
        """
        if self.seconds is None:
            yield
            return
        ids = [question.id for question in batch]
        with self._noted(ids) as file:
            timer = threading.Timer(self.seconds, self._end, [ids, file.fileno()])
            timer.daemon = True
            timer.start()
            faulthandler.dump_traceback_later(self.seconds + _GRACE, exit=True, file=file)
            try:
                yield
            finally:
                faulthandler.cancel_dump_traceback_later()
                timer.cancel()

    def order(
        self, batches: Sequence[Sequence[Question]]
    ) -> tuple[list[list[Question]], list[Question], list[Question]]:
        """Batches to ask first, questions that hung before (asked last, one by one), and questions given up.

        Without a limit all batches are asked in order and nothing is given up.
        """
        hung = self._hung() if self.seconds is not None else Counter()
        whole = [[question for question in batch if not hung[question.id]] for batch in batches]
        alone = [question for batch in batches for question in batch if 0 < hung[question.id] < TIMES]
        lost = [question for batch in batches for question in batch if hung[question.id] >= TIMES]
        return [batch for batch in whole if batch], alone, lost

    @property
    def reason(self) -> str:
        """The error of a question that is given up."""
        return f"no answer within {self.seconds or 0:g} s, {TIMES} times"

    @contextmanager
    def _noted(self, ids: list[str]) -> Iterator[IO[bytes]]:
        """The record file with a line of these ids appended, removed again on exit; an incomplete line is dropped."""
        try:
            file = self.notes.open("a+b", buffering=0)
            file.seek(0)
            start = file.truncate(file.read().rfind(b"\n") + 1)
            file.write((json.dumps(ids) + "\n").encode())
        except OSError as error:
            raise GymQAError(f"cannot write {self.notes}: {error.strerror or error}; free space and retry") from error
        with file:
            try:
                yield file
            finally:
                with suppress(OSError):  # without a mark the line has no effect
                    file.truncate(start)

    def _hung(self) -> Counter[str]:
        """Number of hangs of each question, over all processes."""
        paths = visible_files(self.notes.parent, f"*{SUFFIX}")
        return Counter(id for path in paths for id in _ids(path.read_text("utf-8", "replace")))

    def _end(self, ids: list[str], notes: int) -> None:
        """Record the hang, print a message and end this process, even where the former fail."""
        try:
            os.write(notes, f"{_MARK}\n".encode())
            sentence = f"{self.name} gave no answer to {named(ids)} within {self.seconds:g} s; the same command goes on"
            print(f"\ngymqa: {as_sentence(sentence)}", file=sys.stderr, flush=True)
            sys.stdout.flush()
        finally:
            os._exit(2)  # a regular exit would wait for the model


def named(ids: Sequence[str]) -> str:
    """Question ids for a message, shortened to the first few."""
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")


def _ids(notes: str) -> Iterator[str]:
    """The ids recorded at hangs in a record file; an incomplete last line is ignored."""
    for line, after in pairwise(notes.split("\n")[:-1]):
        if after.startswith(_MARK) and line.startswith("["):
            with suppress(ValueError):
                yield from json.loads(line)
