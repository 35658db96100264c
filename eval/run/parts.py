"""Partial answers of an unfinished run, one file per process; batches of questions and their shard per process.

<out>.parts/<hash of the configuration>[-<hash of the predictions whose failed questions are asked again>]/
    <process>.jsonl, <process>.failed, finishing (hash of the predictions that were made of them)

A process appends to its own, locked file and reads those of all others, also of earlier runs. The hash separates
answers under different settings. Questions that failed for a temporary reason are written only when a process has
finished, to the file .failed, so that a resumed run asks them again.
"""

import os
import shutil
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.io.files import atomic_path, take_lock, visible_files
from gymqa.questions.files import from_line, to_line
from gymqa.questions.schema import Prediction, Question

SHOWN = 16  # digits of a hash in a folder's name
_ANNOUNCED = "finishing"
_TRIES = 3  # at creating a folder that another process removes at the same moment
_POLL = 0.2  # seconds between two checks for the other processes' answers
SAY_AFTER = 30.0
"""Seconds without a new answer after which the first process says what it waits for."""
GIVE_UP_AFTER = 3600.0
"""Seconds without a new answer after which the first process ends."""


class PartsRemovedError(GymQAError):
    """The folder of partial answers was removed while it was written: by the user, or by a launch that has finished."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"{path} was removed while it was written; run the same command again")


class Parts:
    """Partial answers to some questions under one configuration.

    Args:
        out: the final predictions file.
        name: of the folder, made of hashes of everything the answers depend on (`eval.run.run_state.parts_name`).
        ids: ids of the questions.
    """

    def __init__(self, out: Path, name: str, ids: Collection[str]) -> None:
        self.root = parts_root(out)
        self.folder = self.root / name
        self._ids = frozenset(ids)

    @contextmanager
    def writer(self, process: int) -> Iterator[IO[bytes]]:
        """Open and lock a process's file for appending; an incomplete last line and failed answers are dropped.

        Raises:
            GymQAError: another process holds it, or it cannot be written.
        """
        path = self.folder / f"{process}.jsonl"
        try:
            file = _open(path)
        except OSError as error:
            raise GymQAError(
                f"cannot write {path}: {error.strerror or error}; choose a folder you may write to"
            ) from error
        with file:
            take_lock(file, str(path))
            file.seek(0)
            whole = file.read()
            file.truncate(whole.rfind(b"\n") + 1)
            self._failed(process).unlink(missing_ok=True)
            yield file

    def fail(self, process: int, predictions: Sequence[Prediction]) -> None:
        """Write a process's failed questions once it has asked everything, atomically."""
        if predictions:
            with atomic_path(self._failed(process)) as temporary:
                temporary.write_bytes(to_bytes(predictions))

    def read(self) -> dict[str, Prediction]:
        """All answers but the failed ones, by question id; an incomplete last line is ignored.

        Raises:
            GymQAError: a line is damaged, answers an unknown question, or one twice in a file.
        """
        return self._read("*.jsonl")

    def _read(self, pattern: str) -> dict[str, Prediction]:
        done: dict[str, Prediction] = {}
        for path in visible_files(self.folder, pattern):
            for question_id, prediction in self._read_file(path).items():
                done.setdefault(question_id, prediction)  # concurrent launches may have asked the same
        return done

    def wait(self, processes: int) -> tuple[dict[str, Prediction], frozenset[str]]:
        """Wait for all processes; returns all answers, and the ids of the failed ones.

        Args:
            processes: number of processes, for what is said while no answer comes.

        Raises:
            PartsRemovedError: the folder is gone.
            GymQAError: no answer has come for GIVE_UP_AFTER seconds.
        """
        began, before, said = time.monotonic(), -1, False
        while True:
            if not self.folder.is_dir():
                raise PartsRemovedError(self.folder)
            lines = sum(_contents(path).count(b"\n") for path in visible_files(self.folder, "*.*"))
            done, failed = (self.read(), self._read("*.failed")) if lines >= len(self._ids) else ({}, {})
            if len(failed | done) == len(self._ids):
                return failed | done, frozenset(failed.keys() - done.keys())
            if lines != before:
                began, before, said = time.monotonic(), lines, False
            silent = time.monotonic() - began
            if silent > GIVE_UP_AFTER:
                raise GymQAError(f"gave up after {silent:.0f} s {self._awaited(lines, processes)}; start it again")
            if silent > SAY_AFTER and not said:
                console.print(f"waiting {self._awaited(lines, processes)}, {GIVE_UP_AFTER / 60:.0f} minutes at most")
                said = True
            time.sleep(_POLL)

    def announce(self, sha256: str) -> None:
        """Note the hash of the predictions that are written next; their result follows."""
        (self.folder / _ANNOUNCED).write_text(sha256, encoding="ascii")

    def _awaited(self, lines: int, processes: int) -> str:
        """What is waited for: the answers that lack, and the processes that may give them."""
        started = {path.stem for path in visible_files(self.folder, "*.jsonl")}
        absent = [str(number) for number in range(processes) if str(number) not in started]
        lack = f"for {len(self._ids) - lines} of {len(self._ids)} answers from the other processes"
        return f"{lack}, of which {', '.join(absent)} never started" if absent else lack

    def _failed(self, process: int) -> Path:
        return self.folder / f"{process}.failed"

    def _read_file(self, path: Path) -> dict[str, Prediction]:
        """Answers of one file."""
        done: dict[str, Prediction] = {}
        for number, line in enumerate(_contents(path).split(b"\n")[:-1], start=1):
            try:
                prediction = from_line(Prediction, line.decode("utf-8"))
            except (GymQAError, UnicodeDecodeError) as error:
                raise GymQAError(f"{path}:{number} is damaged ({error}); remove the file and run again") from error
            if prediction.question_id in done or prediction.question_id not in self._ids:
                raise GymQAError(
                    f"{path}:{number} answers question {prediction.question_id}, which was answered before or never "
                    "asked; remove the file and run again"
                )
            done[prediction.question_id] = prediction
        return done


def parts_root(out: Path) -> Path:
    """The folder of the partial answers beside a predictions file, under all configurations."""
    return out.with_name(f"{out.name}.parts")


def is_announced(out: Path, name: str, sha256: str) -> bool:
    """Whether a run was killed after it wrote these predictions, and before their result."""
    try:
        return (parts_root(out) / name / _ANNOUNCED).read_text(encoding="ascii", errors="replace") == sha256
    except OSError:
        return False


def remove_parts(out: Path, config_hash: str) -> None:
    """Remove the partial answers under a configuration, which are in `out`; those of other configurations remain."""
    root = parts_root(out)
    for folder in root.glob(f"{config_hash[:SHOWN]}*"):
        shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # other configurations remain
        root.rmdir()


def append(file: IO[bytes], predictions: Sequence[Prediction]) -> None:
    """Append answers to a process's file and flush.

    Raises:
        PartsRemovedError: the file is gone.
        GymQAError: the file cannot be written, as on a full disk.
    """
    if os.fstat(file.fileno()).st_nlink == 0:
        raise PartsRemovedError(file.name)
    try:
        file.write(to_bytes(predictions))
        file.flush()
    except OSError as error:
        raise GymQAError(f"cannot write {file.name}: {error.strerror or error}; free space and retry") from error


def to_bytes(records: Sequence[Question | Prediction]) -> bytes:
    """Questions or predictions as JSON lines."""
    lines = "".join(to_line(record) + "\n" for record in records)
    return lines.encode("utf-8", "backslashreplace")  # \udc80 of an odd file name is a JSON escape


def _open(path: Path) -> IO[bytes]:
    """Open a file for appending and create its folder, again where the merging process removes it meanwhile."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("a+b")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a+b")


def _contents(path: Path) -> bytes:
    """A file's bytes; empty where the merging process has removed it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def batches(questions: Sequence[Question], size: int) -> list[list[Question]]:
    """Batches of at most `size` questions; questions about one clip stay together as far as they fit.

    Args:
        questions: in any order; clips keep the order of their first questions.
        size: at least 1.
    """
    made: list[list[Question]] = []
    for part in _by_clip(questions, size):
        if made and len(made[-1]) + len(part) <= size:
            made[-1] += part
        else:
            made.append(part)
    return made


def shard(all_batches: Sequence[list[Question]], process: tuple[int, int]) -> list[list[Question]]:
    """The batches of one process, given as (index, number of processes)."""
    number, processes = process
    return list(all_batches[number::processes])


def _by_clip(questions: Sequence[Question], size: int) -> Iterator[list[Question]]:
    """The questions of each clip, in chunks of at most `size`."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.clip_id, []).append(question)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]
