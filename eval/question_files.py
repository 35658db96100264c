"""Files of questions: every command that takes --questions reads them here, so that a folder means the same to all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.results import file_info
from gymqa.errors import GymQAError
from gymqa.question_dataset import question_files
from gymqa.questions import Question, load_questions


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """A file of questions and its SHA-256; `benchmark` is the file's name where its questions are of several."""

    path: Path
    benchmark: str
    sha256: str
    questions: tuple[Question, ...]


def read_files(paths: Iterable[Path]) -> list[QuestionFile]:
    """Read files of questions, each once; a folder stands for every .jsonl below it, by path.

    Raises:
        GymQAError: a file is missing, wrong or without questions, or a folder holds none.
    """
    found = {file.resolve(): file for path in paths for file in question_files(path)}
    return [_read(file) for file in found.values()]


def benchmark_of(questions: Sequence[Question], otherwise: str) -> str:
    """The one benchmark that all questions are of; another name where they are of several, or of none."""
    names = {question.benchmark for question in questions}
    return names.pop() if len(names) == 1 else otherwise


def _read(path: Path) -> QuestionFile:
    questions = tuple(load_questions(path))
    if not questions:
        raise GymQAError(f"{path} holds no question; draw its questions again")
    return QuestionFile(path, benchmark_of(questions, path.stem), file_info(path).sha256, questions)
