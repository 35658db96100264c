"""Choices of a question table, and its right choice given as letter, index or text."""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from gymqa.errors import GymQAError
from gymqa.questions.importing.columns import text_of, value_of
from gymqa.questions.importing.rows import Row
from gymqa.questions.schema import LETTERS

AnswerForm = Literal["auto", "letter", "index", "index-from-1", "text"]
_LABEL = re.compile(r"\s*\(?([A-Z])(?:\.|\)|:)\s*(?=\S)")
_LETTER = re.compile(r"\s*\(?([A-Za-z])[.):]?\s*")


def right_index(answer: Any, choices: Sequence[str], form: AnswerForm = "auto") -> int:
    """Index of the right choice, given as letter ("B", "(B)", "B. text"), index or text.

    Raises:
        GymQAError: it is none of the choices, or under "auto" two readings disagree.
    """
    readings = {
        "letter": _by_letter(answer, choices),
        "index": _by_index(answer, 0, len(choices)),
        "index-from-1": _by_index(answer, 1, len(choices)),
        "text": _by_text(answer, choices),
    }
    if form != "auto":
        found = readings[form]
        if found is None:
            raise GymQAError(f"the answer {answer!r} is no {form} of its {len(choices)} choices; correct it")
        return found
    meant = {one for name in ("text", "letter", "index") if (one := readings[name]) is not None}
    if not meant:
        raise GymQAError(f"the answer {answer!r} is none of its {len(choices)} choices; correct it")
    if len(meant) > 1:
        raise GymQAError(f"the answer {answer!r} could be a text, letter or index; say which with --answer")
    return meant.pop()


def choices_of(row: Row, specs: Sequence[str]) -> list[str]:
    """The choices of one column with all of them, or of a column each; empty cells at the end are no choices."""
    if len(specs) > 1:
        given = [value_of(row, spec) for spec in specs]
        while given and (given[-1] is None or given[-1] == "" or given[-1] != given[-1]):
            given.pop()
        return [text_of(value, row, spec) for value, spec in zip(given, specs, strict=False)]
    value, place = value_of(row, specs[0]), row.place(specs[0])
    if isinstance(value, str):
        value = _parsed(value, place)
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        raise GymQAError(f"{place}: {value!r} is no list of choices; give one, or a column for each choice")
    return [text_of(one, row, specs[0]) for one in value]


def _parsed(text: str, place: str) -> Any:
    """A list that is written as JSON, as Python, or with a choice a line."""
    if text.lstrip().startswith(("[", "{")):
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
        raise GymQAError(f"{place}: {text[:60]!r} is no list of choices; write it as JSON")
    return [line.strip() for line in text.split("\n") if line.strip()]


def split_lettered(text: str, where: str) -> tuple[str, list[str]]:
    """Split a text whose last lines are the lettered choices, `A. first`, `B. second`, ….

    Raises:
        GymQAError: there are no such lines, or a line without a letter is among them.
    """
    lines = [line.strip() for line in text.strip().split("\n") if line.strip()]
    begin = next((index for index in range(1, len(lines)) if _label_of(lines[index]) == "A"), None)
    choices = [] if begin is None else without_labels(lines[begin:])
    if begin is None or choices == lines[begin:]:
        raise GymQAError(f"{where}: its last lines are not `A. first`, `B. second`, …; name the column of the options")
    return "\n".join(lines[:begin]), choices


def without_labels(choices: Sequence[str]) -> list[str]:
    """Choices without "A. ", "(B) ", … where each begins with its own letter; as they are otherwise."""
    if not choices or _label_of(choices[0]) != "A":
        return list(choices)
    labels = [_LABEL.match(choice) for choice in choices]
    if not all(label and label[1] == letter for label, letter in zip(labels, LETTERS, strict=False)):
        return list(choices)
    return [choice[label.end() :].strip() for choice, label in zip(choices, labels, strict=True) if label]


def _label_of(line: str) -> str:
    label = _LABEL.match(line)
    return label[1] if label else ""


def _by_letter(answer: Any, choices: Sequence[str]) -> int | None:
    if not isinstance(answer, str):
        return None
    found = _LETTER.fullmatch(answer)
    letter = found[1].upper() if found else ""
    if not found and (label := _LABEL.match(answer)) and _by_text(answer[label.end() :], choices) is not None:
        letter = label[1]  # "B. its text"
    index = LETTERS.find(letter) if letter else -1
    return index if 0 <= index < len(choices) else None


def _by_index(answer: Any, first: int, n_choices: int) -> int | None:
    if isinstance(answer, str) and answer.strip().isascii() and answer.strip().isdigit() and len(answer) < 10:
        answer = int(answer)
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    whole = isinstance(answer, int) and not isinstance(answer, bool)
    return answer - first if whole and first <= answer < n_choices + first else None


def _by_text(answer: Any, choices: Sequence[str]) -> int | None:
    if isinstance(answer, bool) or not isinstance(answer, str | int | float):
        return None
    text = str(answer).strip()
    same = [index for index, choice in enumerate(choices) if choice == text]
    if same or len(text) < 5:  # a letter, with brackets at most
        return same[0] if len(same) == 1 else None
    plain = " ".join(text.split())
    same = [index for index, choice in enumerate(choices) if " ".join(choice.split()) == plain]
    return same[0] if len(same) == 1 else None
