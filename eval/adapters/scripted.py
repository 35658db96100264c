"""Adapter `scripted`: precomputed answers from a file of letters, or one letter for every question."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.adapters.request import Loaded, Request, control_independent
from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.questions.schema import LETTERS, Answer, Question


class Scripted:
    """AnswerModel over precomputed letters.

    Args:
        name: name in the leaderboard.
        letters: question id -> letter, or None for a question left unanswered on purpose.
        otherwise: letter for every other question; None leaves them unanswered.
    """

    def __init__(self, name: str, letters: Mapping[str, str | None], otherwise: str | None = None) -> None:
        self.name, self._letters, self._otherwise = name, dict(letters), otherwise

    @classmethod
    def read(cls, name: str, script: Path | str) -> "Scripted":
        """Read a script: one letter, a .json of {question id: letter}, or a .jsonl of question_id and letter.

        Raises:
            GymQAError: neither a letter nor such a file, or an answer in it is no letter (named by line or id).
        """
        if len(str(script)) == 1:
            return cls(name, {}, _letter(str(script).upper(), "the script"))
        path = Path(script)
        return cls(name, _lines(path) if path.suffix == ".jsonl" else _object(path))

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer by the script; questions it does not hold are unanswered."""
        return [self._answer(question) for question in questions]

    def holds(self, question_id: str) -> bool:
        """Whether the script has an answer to a question."""
        return question_id in self._letters or self._otherwise is not None

    def fingerprint(self) -> Mapping[str, Any]:
        """Return a hash of the script."""
        script = json.dumps([sorted(self._letters.items()), self._otherwise])
        return {"script": hashlib.sha256(script.encode()).hexdigest()}

    def _answer(self, question: Question) -> Answer:
        letter = self._letters.get(question.id, self._otherwise)
        if letter is None:
            return Answer(question.id, None, None, "the script has no answer to it")
        return answer_of_letter(question, letter)


def answer_of_letter(question: Question, letter: str) -> Answer:
    """The answer of a letter; unanswered, with the reason, where the question has no such choice."""
    choice = LETTERS.index(letter)
    if choice >= len(question.choices):
        return Answer(question.id, None, None, f"it has {len(question.choices)} choices, no choice {letter}")
    return Answer(question.id, choice)


def _letter(value: Any, where: str) -> str | None:
    if value is None or (isinstance(value, str) and len(value) == 1 and value in LETTERS):
        return value
    raise GymQAError(f"{where}: {value!r} is no answer; give a letter from A to Z, or null")


def _object(path: Path) -> dict[str, str | None]:
    found = read_json(path)
    if not isinstance(found, dict):
        raise GymQAError(f"{path} holds no object; give one of question ids and letters")
    return {id: _letter(value, f"{path}, question {id}") for id, value in found.items()}


def _lines(path: Path) -> dict[str, str | None]:
    letters: dict[str, str | None] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(f"{path} cannot be read as text ({error}); give a .jsonl of question_id and letter") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            id, letter = entry["question_id"], entry["letter"]
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            raise GymQAError(f"{path}:{number} is no object with question_id and letter; mend the line") from error
        if not isinstance(id, str) or id in letters:
            raise GymQAError(f"{path}:{number} answers question {id!r} again or names none; mend the line")
        letters[id] = _letter(letter, f"{path}:{number}")
    return letters


def load(request: Request) -> Loaded:
    """The adapter `scripted`.

    Raises:
        GymQAError: as of `Scripted.read`.
    """
    return control_independent(Scripted.read(request.name, request.model), "scripted", request)
