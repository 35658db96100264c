"""Read and write questions and predictions: JSON, one object a line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from gymqa.errors import GymQAError
from gymqa.io.files import write_text
from gymqa.io.jsonl import decode, encode
from gymqa.questions.schema import Answer, Prediction, Question

Noun = TypeVar("Noun", Question, Answer, Prediction)


def to_line(noun: Question | Answer | Prediction) -> str:
    """One line of JSON, without its line break."""
    return encode(noun)


def from_line(kind: type[Noun], line: str) -> Noun:
    """Read what `to_line` wrote.

    Raises:
        GymQAError: no JSON object, a field missing, unknown or of another type, or an impossible Question.
    """
    return decode(kind, line)


def save_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write one question a line, whole or not at all."""
    write_text(path, "".join(to_line(question) + "\n" for question in questions))


def load_questions(path: Path) -> list[Question]:
    """Read what `save_questions` wrote.

    Raises:
        GymQAError: the file is missing or a line is wrong (named as file:line).
    """
    return _load(Question, path)


def load_predictions(path: Path) -> list[Prediction]:
    """Read a predictions file.

    Raises:
        GymQAError: the file is missing or a line is wrong (named as file:line).
    """
    return _load(Prediction, path)


def read_questions(path: Path) -> tuple[list[Question], list[str]]:
    """The questions of a file, and what is wrong in its lines, a sentence each, instead of stopping at the first.

    Raises:
        GymQAError: the file is missing or no text.
    """
    questions, problems = [], []
    for place, line in _lines(path):
        try:
            questions.append(from_line(Question, line))
        except GymQAError as error:
            problems.append(f"{place}: {error}")
    if not questions and not problems:
        problems.append(f"{path} holds no question")
    return questions, problems


def _load(kind: type[Noun], path: Path) -> list[Noun]:
    nouns = []
    for place, line in _lines(path):
        try:
            nouns.append(from_line(kind, line))
        except GymQAError as error:
            raise GymQAError(f"{place}: {error}") from error
    return nouns


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """The file's non-empty lines as they are read, each with its place `file:line`."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:  # a choice may hold U+2028, or a carriage return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{number}", line
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(
            f"{path} cannot be read as text ({error}); check that it holds one JSON object a line"
        ) from error
