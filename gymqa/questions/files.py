"""Read and write files of questions and predictions (JSON Lines), with `file:line` in messages."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gymqa.errors import GymQAError
from gymqa.io.files import write_text
from gymqa.io.jsonl import decode, encode
from gymqa.questions.schema import Answer, Prediction, Question, probability_flaw

Record = TypeVar("Record", Question, Answer, Prediction)


def to_line(record: Question | Answer | Prediction) -> str:
    """A record as one line of JSON, without a line break."""
    return encode(record)


def from_line(kind: type[Record], line: str) -> Record:
    """Parse a line that `to_line` wrote.

    Raises:
        GymQAError: not a JSON object; a field is missing, unknown or of the wrong type; the Question is invalid; or
            the probabilities of a Prediction are no distribution.
    """
    record = decode(kind, line)
    if isinstance(record, Prediction) and record.probabilities is not None:
        _require_distribution(record.question_id, record.probabilities)
    return record


def _require_distribution(question_id: str, probabilities: Sequence[float]) -> None:
    """Raise GymQAError where these are no probabilities: NaN, or votes that were never divided."""
    if problem := probability_flaw(probabilities):
        raise GymQAError(f"question {question_id} was answered with {problem}; run the model again")


def save_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write one question per line, atomically."""
    write_text(path, "".join(to_line(question) + "\n" for question in questions))


def load_questions(path: Path) -> list[Question]:
    """Read a file that `save_questions` wrote.

    Raises:
        GymQAError: the file is missing or a line (named as file:line) is malformed.
    """
    return _load(Question, path)


def load_predictions(path: Path) -> list[Prediction]:
    """Read a predictions file.

    Raises:
        GymQAError: the file is missing or a line (named as file:line) is malformed.
    """
    return _load(Prediction, path)


def read_questions(path: Path) -> tuple[list[Question], list[str]]:
    """The valid questions of a file, and one sentence for every malformed line.

    Raises:
        GymQAError: the file is missing or is not text.
    """
    questions, problems = [], []
    for where, line in _lines(path):
        try:
            questions.append(from_line(Question, line))
        except GymQAError as error:
            problems.append(f"{where}: {error}")
    if not questions and not problems:
        problems.append(f"{path} holds no question")
    return questions, problems


def _load(kind: type[Record], path: Path) -> list[Record]:
    records = []
    for where, line in _lines(path):
        try:
            records.append(from_line(kind, line))
        except GymQAError as error:
            raise GymQAError(f"{where}: {error}") from error
    return records


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (`file:line`, line) for every non-empty line of the file."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:  # a choice may hold U+2028, or a carriage return
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{number}", line
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(
            f"{path} cannot be read as text ({error}); check that it holds one JSON object per line"
        ) from error
