"""Columns of a question table by what they hold, and their values in a row: texts, paths, seconds, templates."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.clip_ids import inside_path
from gymqa.questions.importing.rows import KEY, Row

_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a table by what they hold; each is a name, or a template such as "videos/{name}.mp4".

    Attributes:
        video: path of the video below the folder of videos.
        question: the text; with the lettered choices, a line each, where there are no `options`.
        answer: the right choice.
        options: the choices: one column with a list, or with a line each; or a column for each choice.
        wrong: the wrong choices, where the table has no list of all; their order with the answer is drawn.
        cluster: what makes questions alike, by which intervals are clustered; by default the video.
        group: questions of one value count together, right where all of them are; a pair, for example.
        task: what the set calls the category.
        id: of the question; by default its number.
        start, end: seconds of the video that the question is about, if not all of it.
    """

    video: str
    question: str
    answer: str
    options: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    cluster: str = ""
    group: str = ""
    task: str = ""
    id: str = ""
    start: str = ""
    end: str = ""

    def names(self) -> set[str]:
        """The columns that are read."""
        specs = [one for field in fields(self) for one in _as_tuple(getattr(self, field.name)) if one]
        return {name for spec in specs for name in (_FIELD.findall(spec) or [spec])}


def parse_columns(words: Iterable[str]) -> Columns:
    """Columns of `video=… question=… answer=… options=…`; several columns of one kind are separated by commas.

    Raises:
        GymQAError: a word is not `kind=column`, a kind is unknown or twice, or one of the first three is missing.
    """
    kinds = [field.name for field in fields(Columns)]
    found: dict[str, Any] = {}
    for word in words:
        kind, given, spec = word.partition("=")
        if not given or not spec or kind not in kinds or kind in found:
            raise GymQAError(f"--columns {word!r}: give each of {', '.join(kinds)} at most once, as video=COLUMN")
        found[kind] = tuple(spec.split(",")) if kind in ("options", "wrong") else spec
    if missing := [kind for kind in kinds[:3] if kind not in found]:
        raise GymQAError(f"--columns lacks {', '.join(missing)}; give {', '.join(f'{one}=COLUMN' for one in missing)}")
    if "options" in found and "wrong" in found:
        raise GymQAError("--columns has options and wrong; give the list of all choices, or that of the wrong ones")
    return Columns(**found)


def value_of(row: Row, spec: str) -> Any:
    """The value of a column or template.

    Raises:
        GymQAError: the row has no such column.
    """
    if spec in row.values:
        return row.values[spec]
    names = _FIELD.findall(spec)
    if missing := [name for name in (names or [spec]) if name not in row.values]:
        known = ", ".join(name for name in row.values if not name.startswith("@") or name == KEY)
        raise GymQAError(f"{row.place(missing[0])}: there is no such column; the row has {known}")
    return _FIELD.sub(lambda field: text_of(row.values[field[1]], row, field[1]), spec)


def text_of(value: Any, row: Row, spec: str) -> str:
    """A value as text: a string without white space around it, or a number."""
    if isinstance(value, str) and (text := value.strip()):
        return text
    if isinstance(value, int | float) and not isinstance(value, bool) and value == value:
        return str(value)
    raise GymQAError(f"{row.place(spec)}: {value!r} is no text; correct it")


def path_of(value: Any, row: Row, spec: str) -> str:
    """A video's path; `datasets` gives videos as {"path": …}."""
    if isinstance(value, dict):
        value = value.get("path")
    return inside_path(text_of(value, row, spec), row.place(spec))


def seconds_of(row: Row, spec: str) -> float | None:
    """A number of seconds; None where the row has none."""
    value = row.values.get(spec) if spec else None
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise GymQAError(f"{row.place(spec)}: {value!r} is no number of seconds; correct it") from error


def _as_tuple(spec: str | tuple[str, ...]) -> tuple[str, ...]:
    return (spec,) if isinstance(spec, str) else spec
