"""A model that hangs while it answers: its process is ended, and the questions it was at are asked by themselves.

Nothing inside a process can stop a model that waits in C code for a device or a server, so the process ends. A timer's
thread does that with status 2. It cannot run where the C code keeps Python's lock to itself: there, a little later,
faulthandler's thread, which needs no lock, ends the process with status 1.

What a call is asked is noted before it begins and taken back when it ends. Whoever ends a process that hangs writes
`Timeout` under the note, so that a process that was killed for another reason accuses no question. The same command
then goes on: what was asked when it hung comes last, one question at a time, so that the one that hangs is found; a
question that has hung twice is left unanswered.
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
from gymqa.questions.schema import Question

SUFFIX = ".hung"  # of a file of notes: question ids as a JSON list, then what ended the process, line by line
TIMES = 2  # that a question may hang
LONGEST = 1e9
"""Seconds that a limit stays below: the clocks of threads cannot wait for much more."""
_GRACE = 2.0  # seconds that the timer has to end the process before faulthandler does
_MARK = "Timeout"  # as faulthandler begins what it writes
_NAMED = 5  # questions in the sentence


@dataclass(frozen=True, slots=True)
class Watchdog:
    """What one call of a model may take.

    Attributes:
        seconds: above 0 and below LONGEST; None is no limit.
        notes: file that what hung is noted in.
        name: of the model.
    """

    seconds: float | None
    notes: Path
    name: str

    @contextmanager
    def over(self, batch: Sequence[Question]) -> Iterator[None]:
        """End this process if what is done inside takes too long.

        Raises:
            GymQAError: the notes cannot be written.
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
        """The batches to ask first, the questions to ask after them, one by one, for they hung, and what is given up.

        Without a limit nothing is given up, and everything is asked as it comes.
        """
        hung = self._hung() if self.seconds is not None else Counter()
        whole = [[question for question in batch if not hung[question.id]] for batch in batches]
        alone = [question for batch in batches for question in batch if 0 < hung[question.id] < TIMES]
        lost = [question for batch in batches for question in batch if hung[question.id] >= TIMES]
        return [batch for batch in whole if batch], alone, lost

    @property
    def reason(self) -> str:
        """Why a question is given up."""
        return f"no answer within {self.seconds or 0:g} s, {TIMES} times"

    @contextmanager
    def _noted(self, ids: list[str]) -> Iterator[IO[bytes]]:
        """The notes with a line for these ids at their end, which is taken back; half a line before it is dropped."""
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
                with suppress(OSError):  # left there it accuses nobody
                    file.truncate(start)

    def _hung(self) -> Counter[str]:
        """How often each question was being asked when a process hung, whichever process."""
        paths = self.notes.parent.glob(f"*{SUFFIX}")
        return Counter(id for path in paths for id in _ids(path.read_text("utf-8", "replace")))

    def _end(self, ids: list[str], notes: int) -> None:
        """End this process, whatever of the rest does not succeed."""
        try:
            os.write(notes, f"{_MARK}\n".encode())
            sentence = f"{self.name} gave no answer to {named(ids)} within {self.seconds:g} s; the same command goes on"
            print(f"\ngymqa: {sentence}", file=sys.stderr, flush=True)
            sys.stdout.flush()
        finally:
            os._exit(2)  # whatever else this process would do, it would wait for the model


def named(ids: Sequence[str]) -> str:
    """Some question ids in a sentence."""
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")


def _ids(notes: str) -> Iterator[str]:
    """The questions of some notes that a process hung at; half a line at the end is none."""
    for line, after in pairwise(notes.split("\n")[:-1]):
        if after.startswith(_MARK) and line.startswith("["):
            with suppress(ValueError):
                yield from json.loads(line)
