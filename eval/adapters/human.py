"""Adapter `human`: annotators' answers from a CSV file, one annotator's or the majority vote."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.adapters.request import Loaded, Request, control_independent
from gymqa.errors import GymQAError
from gymqa.questions.schema import LETTERS, Answer, Question

_SHOWN = 5  # invalid rows named in an error


class Human:
    """AnswerModel over annotators' letters: the choice with most votes, fractions of votes as probabilities.

    Args:
        name: name in the leaderboard.
        votes: question id -> the annotators' letters; "" for an abstention.
    """

    def __init__(self, name: str, votes: Mapping[str, Sequence[str]]) -> None:
        self.name, self._votes = name, votes

    @classmethod
    def read(cls, name: str, path: Path, annotator: str | None = None) -> "Human":
        """Read a CSV with the columns question_id, letter and, for several annotators, annotator.

        Args:
            name: name in the leaderboard.
            path: UTF-8 file; the first row names the columns.
            annotator: whose answers are taken; None takes the majority of all.

        Raises:
            GymQAError: no such file, column or annotator, or invalid rows, which are named by line.
        """
        rows = _read(path)
        people = sorted({person for _, person, _ in rows})
        if annotator is not None and annotator not in people:
            raise GymQAError(
                f"{path} has no annotator {annotator!r}; it has {', '.join(filter(None, people)) or 'none'}"
            )
        votes: dict[str, list[str]] = {}
        for id, person, letter in rows:
            if annotator in (None, person):
                votes.setdefault(id, []).append(letter)
        return cls(name, votes)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer by majority; a tie, and a question that nobody answered, is unanswered."""
        return [self._answer(question) for question in questions]

    def holds(self, question_id: str) -> bool:
        """Whether any annotator was asked a question."""
        return question_id in self._votes

    def fingerprint(self) -> Mapping[str, Any]:
        """Return a hash of all votes."""
        votes = json.dumps(sorted((id, sorted(letters)) for id, letters in self._votes.items()))
        return {"votes": hashlib.sha256(votes.encode()).hexdigest()}

    def _answer(self, question: Question) -> Answer:
        counts = Counter(letter for letter in self._votes.get(question.id, ()) if letter)
        if not counts:
            return Answer(question.id, None, None, "nobody answered it")
        beyond = max(counts)
        if beyond not in LETTERS[: len(question.choices)]:
            return Answer(question.id, None, None, f"it has {len(question.choices)} choices, no choice {beyond}")
        total = counts.total()
        fractions = tuple(counts[letter] / total for letter in LETTERS[: len(question.choices)])
        best = [index for index, fraction in enumerate(fractions) if fraction == max(fractions)]
        if len(best) > 1:
            return Answer(question.id, None, fractions, "the annotators tie")
        return Answer(question.id, best[0], fractions)


def _read(path: Path) -> list[tuple[str, str, str]]:
    """Question id, annotator and letter of each row."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = {"question_id", "letter"} - set(reader.fieldnames or ())
            if missing:
                raise GymQAError(f"{path} has no column {min(missing)}; give question_id, letter and perhaps annotator")
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise GymQAError(f"{path} cannot be read as CSV ({error}); give question_id, letter rows in UTF-8") from error
    read: list[tuple[str, str, str]] = []
    problems: list[str] = []
    seen: set[tuple[str, str]] = set()
    for line, row in rows:
        id, person = (row.get("question_id") or "").strip(), (row.get("annotator") or "").strip()
        letter = (row.get("letter") or "").strip().upper()
        problem = _problem(id, person, letter, seen, extra=None in row)
        if problem:
            problems.append(f"line {line} {problem}")
        seen.add((id, person))
        read.append((id, person, letter))
    if problems:
        more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        raise GymQAError(f"{path}: {'; '.join(problems[:_SHOWN])}{more}; mend these rows")
    return read


def _problem(id: str, person: str, letter: str, seen: set[tuple[str, str]], extra: bool) -> str | None:
    """Why a row is invalid; None where it is valid."""
    if extra:
        return "has more cells than the first row has names"
    if not id:
        return "names no question"
    if letter and (len(letter) != 1 or letter not in LETTERS):
        return f"has {letter!r} for a letter"
    if (id, person) in seen:
        return f"answers question {id} again" + (f" for {person}" if person else "")
    return None


def load(request: Request) -> Loaded:
    """The adapter `human`.

    Raises:
        GymQAError: as of `Human.read`.
    """
    model = Human.read(request.name, Path(request.model), request.options.annotator)
    return control_independent(model, "human", request)
