"""Training recipes: a method's YAML joined with a data set's YAML, and the papers' table cells they reproduce.

recipes/<method>.yaml   base/*.yaml, which they build on   data/<data>.yaml: splits and frames
paper.csv: table, row, column, method, data, top1
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from gymqa.errors import GymQAError
from gymqa.io.files import visible_files
from gymqa.runtime.registry import require_known

FIGURES, DATA = "paper.csv", "data"
_OTHERS = "mllm_*"  # of `gymqa finetune`
_COLUMNS = ["table", "row", "column", "method", "data", "top1"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A training: its name, its YAML files (later ones override), and a description from their first lines."""

    name: str
    layers: tuple[Path, ...]
    what: str

    def arguments(self, out: Path, *above: Path) -> list[str]:
        """The command-line arguments of `gymqa train`.

        Args:
            out: parent of the run folder, which is named as the recipe.
            above: further YAML files, which override the recipe's.

        Raises:
            GymQAError: the data set has no file for the method's modality, such as data/flow/gym288_5.yaml.
        """
        for path in self.layers:
            if not path.is_file():
                others = ", ".join(other.stem for other in visible_files(path.parent, "*.yaml"))
                raise GymQAError(f"{path} does not exist; write it like those of {others}, or take one of them")
        layers = [word for path in (*self.layers, *above) for word in ("--config", str(path))]
        return [*layers, "--out", str(out / self.name)]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a paper's table: the recipe that reproduces it, and its Top-1 in %, None where none is printed."""

    table: str
    row: str
    column: str
    method: str
    data: str
    recipe: str
    top1: float | None


@dataclass(frozen=True, slots=True)
class _Method:
    """A method's file.

    Attributes:
        path: the file.
        varied: name of the method that it builds on and varies; its own where there is none.
        data: file of the data set that it takes where no other is named.
    """

    path: Path
    varied: str
    data: Path | None

    def recipe(self, data: str) -> str:
        """<method>_<data>, and what a variation adds to the method's name last: sefar_s_gym99_5_warp."""
        return f"{self.varied}_{data}{self.path.stem.removeprefix(self.varied)}"


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of recipes by name: methods, and whole recipes, which have data and `out` of their own."""

    path: Path
    methods: dict[str, _Method]
    whole: dict[str, Recipe]

    def data(self) -> list[str]:
        """Names of the data sets."""
        return [path.stem for path in visible_files(self.path / DATA, "*.yaml")]

    def join(self, method: str, data: str) -> Recipe:
        """The recipe of a method and a data set: a whole one of that name, or the two files."""
        found = self.methods[method]
        name = found.recipe(data)
        if name in self.whole:
            return self.whole[name]
        kind = self.path / DATA if found.data is None else found.data.parent  # data/flow for a method on flow
        head, colon, variation = _first_line(found.path).partition(":")
        what = f"{head}, {_first_line(self.path / DATA / f'{data}.yaml')}{colon}{variation}"
        return Recipe(name, (found.path, kind / f"{data}.yaml"), what)


def read_recipes(folder: Path, patterns: Sequence[str] = ("*",)) -> list[Recipe]:
    """The recipes of a folder whose name fits one of the patterns (`sefar_s_*`), by name.

    They are those of the papers' tables, the methods that stand in none with their own data set, and whole recipes.

    Raises:
        GymQAError: the folder has none, none that fits a pattern, or its table is wrong.
    """
    read = _read_folder(folder)
    pairs = [(cell.method, cell.data) for cell in _read_cells(read)]
    named = {method for method, _ in pairs}
    pairs += [(name, one.data.stem) for name, one in read.methods.items() if name not in named and one.data]
    known = {recipe.name: recipe for recipe in (*(read.join(*pair) for pair in pairs), *read.whole.values())}
    return [known[name] for name in _choose(sorted(known), patterns, f"recipe in {folder}")]


def join_recipes(folder: Path, methods: Sequence[str], data: str) -> list[Recipe]:
    """Every method that fits one of the patterns with every data set that fits another, in a table or not.

    Raises:
        GymQAError: nothing fits a pattern.
    """
    read = _read_folder(folder)
    chosen = _choose(sorted(read.methods), methods, f"method in {folder}")
    wanted = _choose(read.data(), [data], f"data set in {folder / DATA}")
    return [read.join(method, one) for method in chosen for one in wanted]


def read_cells(folder: Path) -> list[Cell]:
    """The papers' tables, cell by cell, in their order.

    Raises:
        GymQAError: the file is missing, or a line of it is wrong.
    """
    return _read_cells(_read_folder(folder))


def _read_cells(read: _Folder) -> list[Cell]:
    """The cells, whose methods and data sets the folder holds."""
    path = read.path / FIGURES
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            header, *rows = csv.reader(lines)
    except (OSError, ValueError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); take it from the project again") from error
    if header != _COLUMNS:
        raise GymQAError(f"{path} has the columns {header}; {_COLUMNS} are expected")
    cells, known = [], set(read.data())
    for number, line in enumerate(rows, start=2):
        try:
            table, row, column, method, data, top1 = line
            figure = float(top1) if top1 else None
        except ValueError as error:
            raise GymQAError(f"{path}:{number}: {line} is no {_COLUMNS}; correct the line") from error
        if method not in read.methods or data not in known:
            raise GymQAError(
                f"{path}:{number}: no method is named {method!r} or no data set {data!r}; correct the line"
            )
        cells.append(Cell(table, row, column, method, data, read.methods[method].recipe(data), figure))
    return cells


def _choose(known: Sequence[str], patterns: Iterable[str], kind: str) -> list[str]:
    """The names that fit one of the patterns.

    Raises:
        GymQAError: nothing fits one of them.
    """
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in known):
            require_known(kind, pattern, known, "gymqa recipes list")
    return [name for name in known if any(fnmatch(name, pattern) for pattern in patterns)]


def _read_folder(folder: Path) -> _Folder:
    """The methods and whole recipes of a folder.

    Raises:
        GymQAError: there is none, or one cannot be read.
    """
    paths = {path.stem: path for path in visible_files(folder, "*.yaml") if not fnmatch(path.stem, _OTHERS)}
    if not paths:
        raise GymQAError(f"{folder} holds no recipes; name their folder with --recipes")
    contents = {name: _read_file(path) for name, path in paths.items()}
    built_on = {name: _built_on(content) for name, content in contents.items() if "out" not in content}
    methods = {name: _method(folder, name, built_on) for name in built_on}
    whole = {name: Recipe(name, (path,), _first_line(path)) for name, path in paths.items() if name not in built_on}
    return _Folder(folder, methods, whole)


def _method(folder: Path, name: str, built_on: dict[str, list[str]]) -> _Method:
    """A method, by what it builds on: other methods, of which it may be a variation, and a data set."""
    line = [name]
    while base := next((one for one in map(_stem, built_on[line[-1]]) if one in built_on and one not in line), None):
        line.append(base)
    varied = next((one for one in reversed(line) if name.startswith(f"{one}_")), name)
    data = [folder / file for one in line for file in reversed(built_on[one]) if file.startswith(f"{DATA}/")]
    return _Method(folder / f"{name}.yaml", varied, data[0] if data else None)


def _stem(file: str) -> str:
    """The name that a file under `config` has as a method."""
    return file.removesuffix(".yaml")


def _read_file(path: Path) -> dict[str, Any]:
    """A file of options."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); correct it") from error
    if not isinstance(content, dict):
        raise GymQAError(f"{path} holds no options of gymqa train; correct it")
    return content


def _built_on(content: dict[str, Any]) -> list[str]:
    """The files that a file of options names under `config`."""
    named = content.get("config", [])
    return [str(name) for name in (named if isinstance(named, list) else [named])]


def _first_line(path: Path) -> str:
    """The comment that a file begins with."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
