"""Recipes: YAML files of `gymqa train`, one for each row of the papers' tables, and the figures printed there.

recipes/<name>.yaml   base/*.yaml, which they build on   paper.csv: table, row, column, recipe, top1
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from gymqa.errors import GymQAError

FIGURES = "paper.csv"
_OTHERS = "mllm_*"  # of `gymqa finetune`
_COLUMNS = ["table", "row", "column", "recipe", "top1"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training: its name, its file, and what the file's first line says it is."""

    name: str
    path: Path
    what: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a paper's table: the recipe that repeats it, and its Top-1 in %, None where none is printed."""

    table: str
    row: str
    column: str
    recipe: str
    top1: float | None


def read_recipes(folder: Path, patterns: Sequence[str] = ("*",)) -> list[Recipe]:
    """The recipes of a folder whose name fits one of the patterns (`sefar_s_*`), by name.

    Raises:
        GymQAError: the folder has none, or none that fits a pattern.
    """
    paths = {path.stem: path for path in sorted(folder.glob("*.yaml")) if not fnmatch(path.stem, _OTHERS)}
    if not paths:
        raise GymQAError(f"{folder} holds no recipes; name their folder with --recipes")
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in paths):
            raise GymQAError(f"no recipe in {folder} is named {pattern!r}; gymqa recipes list shows all")
    chosen = [name for name in paths if any(fnmatch(name, pattern) for pattern in patterns)]
    return [Recipe(name, paths[name], _first_line(paths[name])) for name in chosen]


def _first_line(path: Path) -> str:
    """The comment that a recipe begins with."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()


def read_cells(folder: Path) -> list[Cell]:
    """The papers' tables, cell by cell, in their order.

    Raises:
        GymQAError: the file is missing, or a line of it is wrong.
    """
    path = folder / FIGURES
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
    except (OSError, ValueError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); take it from the project again") from error
    if header != _COLUMNS:
        raise GymQAError(f"{path} has the columns {header}; {_COLUMNS} are expected")
    cells = []
    for number, row in enumerate(rows, start=2):
        try:
            table, name, column, recipe, top1 = row
            cells.append(Cell(table, name, column, recipe, float(top1) if top1 else None))
        except ValueError as error:
            raise GymQAError(f"{path}:{number}: {row} is no {_COLUMNS}; correct the line") from error
    return cells
