"""Rows of question tables in JSON, JSON Lines, CSV, TSV and parquet, each with its file and line for messages."""

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from gymqa.errors import GymQAError

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".parquet")
KEY, VALUE, FILE = "@key", "@value", "@file"
"""Columns that every row may have besides its own: the key of its JSON object, what is there if that is no object, and
the name of its file without the suffix."""
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        values: value of each column.
        file: the file, or the data set on the Hub.
        number: its line, from 1; of parquet and the Hub its row, from 1.
        unit: "row " where `number` is no line.
    """

    values: Mapping[str, Any]
    file: str
    number: int
    unit: str = ""

    def place(self, column: str = "") -> str:
        """`file:line`, with the column if one is named."""
        where = f"{self.file}, row {self.number}" if self.unit else f"{self.file}:{self.number}"
        return f"{where}, column {column}" if column else where


def table_files(path: Path) -> list[Path]:
    """The file itself, or every table below a folder, by path.

    Raises:
        GymQAError: it is missing, of another format, or a folder without tables.
    """
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and not one.name.startswith("."))
        if not found:
            raise GymQAError(f"{path} holds no {', '.join(SUFFIXES)}; name the folder of the question files")
        return found
    if not path.is_file():
        raise GymQAError(f"{path} does not exist; name a file of questions, a folder of them, or hub:OWNER/NAME")
    if path.suffix not in SUFFIXES:
        raise GymQAError(f"{path} is none of {', '.join(SUFFIXES)}; convert it to one of them")
    return [path]


def read_rows(path: Path, columns: Collection[str] = ()) -> Iterator[Row]:
    """The rows of a table, in their order.

    JSON holds a list of objects; an object of objects, whose keys become the column KEY; or an object with one list.

    Args:
        path: the file.
        columns: columns to read of parquet, which may hold the videos themselves; all if empty.

    Raises:
        GymQAError: the file cannot be read, holds no row, or a row is not one; its line is named.
    """
    try:
        if path.suffix == ".parquet":
            rows = _parquet(path, columns)
        elif path.suffix in (".csv", ".tsv"):
            rows = _separated(path)
        else:
            text = path.read_text(encoding="utf-8").removeprefix(_BOM)
            rows = _lines(path, text) if path.suffix == ".jsonl" else _json(path, text)
        empty = True
        for row in rows:
            empty = False
            yield row
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise GymQAError(f"{path} cannot be read as {path.suffix[1:]} ({error}); get it again") from error
    if empty:
        raise GymQAError(f"{path} holds no row; check that it is the right file")


def _separated(path: Path) -> Iterator[Row]:
    """Rows of CSV or TSV; the first line names the columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True)
        names = next(reader, [])
        if len(set(names)) < len(names):
            raise GymQAError(f"{path}:1 names a column twice; rename one of the two")
        try:
            for cells in reader:
                if len(cells) != len(names):
                    if cells:
                        raise GymQAError(
                            f"{path}:{reader.line_num} has {len(cells)} cells for {len(names)} columns; correct the row"
                        )
                    continue
                yield Row({FILE: path.stem, **dict(zip(names, cells, strict=True))}, str(path), reader.line_num)
        except csv.Error as error:
            raise GymQAError(f"{path}:{reader.line_num} cannot be read ({error}); correct the row") from error


def _parquet(path: Path, columns: Collection[str]) -> Iterator[Row]:
    with parquet.ParquetFile(path) as file:
        known = file.schema_arrow.names
        batches = file.iter_batches(columns=[name for name in known if not columns or name in columns])
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, values in enumerate(rows, start=1):
            yield Row({FILE: path.stem, **values}, str(path), number, "row ")


def _lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise GymQAError(f"{path}:{number} is not a line of JSON ({error}); correct it") from error
        yield _row(path, number, values)


def _json(path: Path, text: str) -> Iterator[Row]:
    """Rows of a JSON file, decoded one by one, so that each knows its line."""
    position, line, done = 0, 1, 0
    try:
        start = _skip(text, 0)
        if text[start : start + 1] == "{":
            entries = list(_members(text, start))
            if len(entries) == 1 and isinstance(entries[0][1], list):  # such as {"questions": [...]}
                start = text.index("[", entries[0][2])
                entries = [(None, value, position) for value, position in _items(text, start)]
        else:
            entries = [(None, value, position) for value, position in _items(text, start)]
    except (ValueError, IndexError, RecursionError) as error:
        raise GymQAError(f"{path} is not a JSON list or object of rows ({error}); get it again") from error
    seen: set[str] = set()
    for key, value, position in entries:
        line, done = line + text.count("\n", done, position), position
        if key is not None and key in seen:
            raise GymQAError(f"{path}:{line} has the key {key!r} a second time; remove one of the two")
        seen.add(key or "")
        yield _row(path, line, value, key)


def _row(path: Path, number: int, value: Any, key: str | None = None) -> Row:
    if key is None and not isinstance(value, dict):
        raise GymQAError(f"{path}:{number} is no JSON object, as a row is; correct it")
    own = value if isinstance(value, dict) else {VALUE: value}
    named = {} if key is None else {KEY: key}
    return Row({FILE: path.stem, **named, **own}, str(path), number)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice in one object")
    return made


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)
_SPACE = " \t\r\n"


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in _SPACE and position < len(text):
        position += 1
    return position


def _items(text: str, position: int) -> Iterable[tuple[Any, int]]:
    """Values of the JSON list that begins at a position, each with its own."""
    if text[position : position + 1] != "[":
        raise ValueError("it begins with neither [ nor {")
    position = _skip(text, position + 1)
    while text[position] != "]":
        value, end = _DECODER.raw_decode(text, position)
        yield value, position
        position = _after(text, end, "]")


def _members(text: str, position: int) -> Iterator[tuple[str | None, Any, int]]:
    """Keys and values of the JSON object that begins at a position, each with its key's position."""
    position = _skip(text, position + 1)
    while text[position] != "}":
        key, end = _DECODER.raw_decode(text, position)
        colon = _skip(text, end)
        if not isinstance(key, str) or text[colon] != ":":
            raise ValueError(f"a key is missing at character {position}")
        value, end = _DECODER.raw_decode(text, _skip(text, colon + 1))
        yield key, value, position
        position = _after(text, end, "}")


def _after(text: str, end: int, closing: str) -> int:
    """The position of the next value, or of the closing bracket."""
    position = _skip(text, end)
    if text[position] == closing:
        return position
    if text[position] != ",":
        raise ValueError(f"a comma is missing at character {position}")
    return _skip(text, position + 1)
