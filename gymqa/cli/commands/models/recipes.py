"""`gymqa recipes`: list, run and tabulate the training recipes of the papers' tables."""

import json as json_module
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gymqa.errors import GymQAError
from gymqa.io.console import console
from gymqa.io.files import write_json
from gymqa.io.printable import as_sentence
from gymqa.io.typed_json import read_object

if TYPE_CHECKING:
    from recognizers.recipes import Cell, Recipe

RECIPES = Path("recipes")
RESULTS = Path("runs/recipes")
SCRIPT = Path("scripts/train_recognizer.py")
_RESULT, _PREDICTIONS = "result.json", "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class Result:
    """Test result of a recipe's model.

    Attributes:
        top1: Top-1 accuracy, in [0, 1].
        mean_class: accuracy averaged over classes, in [0, 1].
        clips: number of test clips.
        overrides: whether settings of the recipe were replaced, so that the setting is not the paper's.
        weights: hash of the model's file.
        tested_on: hash of the list of clips.
    """

    top1: float
    mean_class: float
    clips: int
    overrides: bool
    weights: str
    tested_on: str


def list_recipes(recipes: Path = RECIPES, only: list[str] | None = None, json: bool = False) -> None:
    """List the recipes with a description and the paper's figures.

    These are the cells of the papers' tables, and one recipe for each method that is in no table; `gymqa recipes run`
    combines any method with any data set.

    Args:
        recipes: folder of the recipes.
        only: names, or patterns such as 'sefar_s_gym99_*'; by default all.
        json: print JSON.
    """
    from recognizers.recipes import read_cells, read_recipes

    cells = read_cells(recipes)
    chosen = read_recipes(recipes, only or ["*"])
    printed = {recipe: [cell for cell in cells if cell.recipe == recipe.name] for recipe in chosen}
    if json:
        lines = [
            {"recipe": recipe.name, "what": recipe.what, "cells": [asdict(cell) for cell in found]}
            for recipe, found in printed.items()
        ]
        print(json_module.dumps(lines, indent=2))
        return
    width = max(len(recipe.name) for recipe in printed)
    for recipe, found in printed.items():
        figures = [f"{cell.top1} ({_title(cell.table)})" for cell in found if cell.top1 is not None]
        print(f"{recipe.name:<{width}}  {recipe.what}" + (f"; paper: {', '.join(figures)}" if figures else ""))


def run(
    methods_and_data: list[str],
    recipes: Path = RECIPES,
    out: Path = RESULTS,
    overrides: Path | None = None,
    launch: str | None = None,
    device: str | None = None,
    only: list[str] | None = None,
) -> None:
    """Train and test recipes one after the other, and print the tables that they belong to.

    A recipe is a method (recipes/sefar_b.yaml) on a data set (recipes/data/gym99_5.yaml); any two can be combined.

    An interrupted run resumes with the same command. A recipe that cannot be run (its splits or frames are missing) is
    printed and skipped; the exit status is then 2.

        gymqa recipes run sefar_b gym99_5
        gymqa recipes run 'sefar_?' svformer_b 'gym99_*' --launch "--num_processes 8"
        gymqa recipes run --only 'sefar_?_gym99_5' 'svformer_b_gym99_5'         by the names of gymqa recipes list
        gymqa recipes run --only 'sefar_s_gym99_5*' --overrides tiny.yaml       tiny models on GymSim

    Args:
        methods_and_data: one or several methods, then the data set; each a name or a pattern such as 'gym99_*'.
        recipes: folder of the recipes.
        out: folder of the results, with a folder per recipe for its model and result.
        overrides: YAML file of `gymqa train` that overrides settings of each recipe, such as splits and frames.
        launch: options of `accelerate launch`, for several processes; without it training runs in this process.
        device: cpu or cuda, for testing; by default the GPU if there is one.
        only: instead of methods and data, names of `gymqa recipes list`, or patterns such as 'sefar_s_*'.
    """
    from recognizers.recipes import read_cells

    failed = []
    for number, recipe in enumerate(chosen := _chosen(recipes, methods_and_data, only), start=1):
        heading = f"{number}/{len(chosen)} {recipe.name}: {recipe.what}"
        console.print(heading, highlight=False, markup=False, soft_wrap=True)
        try:
            words = recipe.arguments(out, *([overrides] if overrides else []))
            _train(words, launch)
            result = _test(words, out / recipe.name, device, overrides is not None)
            print(f"{recipe.name}: Top-1 {100 * result.top1:.1f} % of {result.clips} clips")
        except GymQAError as error:
            failed.append(recipe.name)
            print(as_sentence(f"{recipe.name}: {error}"), file=sys.stderr)
    names = {recipe.name for recipe in chosen}
    _print_tables([cell for cell in read_cells(recipes) if cell.recipe in names], out)
    if failed:
        raise GymQAError(f"{len(failed)} of {len(chosen)} recipes could not be run: {', '.join(failed)}")


def _chosen(folder: Path, methods_and_data: Sequence[str], only: list[str] | None) -> "list[Recipe]":
    """The recipes to run, by methods and data set or by their own names.

    Raises:
        GymQAError: neither or both are given, or there is no such name.
    """
    from recognizers.recipes import join_recipes, read_recipes

    if only is not None and not methods_and_data:
        return read_recipes(folder, only)
    if only is not None or len(methods_and_data) < 2:
        raise GymQAError("name methods and a data set, as in gymqa recipes run sefar_b gym99_5, or recipes by --only")
    *methods, data = methods_and_data
    return join_recipes(folder, methods, data)


def _train(words: Sequence[str], launch: str | None) -> None:
    """Run `gymqa train` with these arguments, in this process or through `accelerate launch`.

    Raises:
        GymQAError: the arguments are wrong or training failed.
    """
    if launch is None:
        from gymqa.cli.arguments import call
        from gymqa.cli.commands.models.train import train

        call(train, words, "gymqa train")
        return
    if not SCRIPT.is_file():
        raise GymQAError(f"{SCRIPT} does not exist; with --launch run the command in the project's folder")
    command = [sys.executable, "-m", "accelerate.commands.launch", *shlex.split(launch), str(SCRIPT), *words]
    status = subprocess.run(command, check=False).returncode
    if status:
        raise GymQAError(f"accelerate launch ended with status {status}; see its output above")


def _test(words: Sequence[str], folder: Path, device: str | None, overrides: bool) -> Result:
    """Test a trained recipe on its splits' test.txt, or val.txt if there is none, unless a result exists."""
    from gymqa.cli.arguments import build_parser
    from gymqa.cli.commands.models.train import train
    from gymqa.finegym.splits import TEST, VAL
    from recognizers.weights_io.tensors import weights_hash

    settings = build_parser(train, "gymqa train").parse_args(list(words))
    clips = next(path for name in (TEST, VAL) if (path := Path(settings.splits) / name).exists() or name == VAL)
    known: dict[str, Any] = {"weights": weights_hash(folder), "tested_on": _hash(clips), "overrides": overrides}
    result = read_result(folder)
    if result is None or any(getattr(result, name) != value for name, value in known.items()):
        frames = _tested_on(folder, Path(settings.frames))
        result = Result(**_accuracies(folder, frames, clips, device), **known)
        write_json(folder / _RESULT, asdict(result))
    return result


def _tested_on(folder: Path, frames: Path) -> Path:
    """Frames for testing: those of the training, or the RGB frames of its flow cache if the model takes RGB only."""
    from gymqa.frames.flow import SOURCE, frames_folder_of
    from recognizers.weights_io.tensors import weights_modality

    with_flow = weights_modality(str(folder)) == "rgb" and (frames / SOURCE).exists()
    return frames_folder_of(frames) if with_flow else frames


def _accuracies(folder: Path, frames: Path, clips: Path, device: str | None) -> dict[str, Any]:
    """Predict the test clips and compute accuracies."""
    from eval.metrics.recognition import mean_class, read_class_predictions, top1
    from gymqa.cli.commands.models.predict import predict
    from gymqa.runtime.devices import choose_device

    predict(folder, frames, folder / _PREDICTIONS, str(choose_device(device)), clips=clips)
    found = read_class_predictions(folder / _PREDICTIONS)
    return {"top1": top1(found), "mean_class": mean_class(found), "clips": len(found.clip_ids)}


def _hash(path: Path) -> str:
    """Hash of a text file."""
    from gymqa.runtime.seeding import hash_key

    return hash_key(path.read_text(encoding="utf-8")).hex()


def read_result(folder: Path) -> Result | None:
    """The test result of a recipe; None if it has not been tested.

    Raises:
        GymQAError: the file is damaged.
    """
    if not (folder / _RESULT).exists():
        return None
    try:
        return Result(**read_object(folder / _RESULT, "remove it and run the recipe again"))
    except TypeError as error:
        raise GymQAError(f"{folder / _RESULT} is damaged; remove it and run the recipe again") from error


def table(
    recipes: Path = RECIPES,
    out: Path = RESULTS,
    only: list[str] | None = None,
    tables: list[str] | None = None,
    json: bool = False,
) -> None:
    """Print the results of recipes beside the paper's figures, in the layout of its tables.

    Args:
        recipes: folder of the recipes.
        out: folder of the results.
        only: names of recipes, or patterns; by default all.
        tables: 1, 2, 3, 4, 6 and 7 of the paper, passes (of the teacher), sampling and thresholds (figure 4),
            finegym-3 (FineGym's table 3); by default all with one of the recipes.
        json: print a JSON object for each cell.
    """
    from recognizers.recipes import read_cells, read_recipes

    names = {recipe.name for recipe in read_recipes(recipes, only or ["*"])}
    cells = [cell for cell in read_cells(recipes) if cell.recipe in names and cell.table in (tables or [cell.table])]
    if not cells:
        raise GymQAError(f"no table {' or '.join(tables or [])} has such a recipe; see {recipes / 'paper.csv'}")
    if json:
        found = [(cell, read_result(out / cell.recipe)) for cell in cells]
        lines = [{**asdict(cell), "result": None if result is None else asdict(result)} for cell, result in found]
        print(json_module.dumps(lines, indent=2))
        return
    _print_tables(cells, out)


def _print_tables(cells: "Sequence[Cell]", out: Path) -> None:
    """Print the tables of the cells, with the results in `out`."""
    results = {cell.recipe: read_result(out / cell.recipe) for cell in cells}
    for name in dict.fromkeys(cell.table for cell in cells):
        _print_table([cell for cell in cells if cell.table == name], results)
    if cells:
        print("Top-1 %; in brackets the paper's. * other settings than the paper's (--overrides)")


def _print_table(cells: "Sequence[Cell]", results: dict[str, Result | None]) -> None:
    """Print one table in the paper's layout, transposed if it has more columns than rows."""
    rows, columns = list(dict.fromkeys(cell.row for cell in cells)), list(dict.fromkeys(cell.column for cell in cells))
    turned = len(columns) > len(rows)
    down, across = (columns, rows) if turned else (rows, columns)
    texts = {(cell.column, cell.row) if turned else (cell.row, cell.column): _text(cell, results) for cell in cells}
    lines = [[_title(cells[0].table), *across]]
    lines += [[name, *(texts.get((name, other), "") for other in across)] for name in down]
    widths = [max(map(len, texts_of_column)) for texts_of_column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    print()


def _title(table: str) -> str:
    """Title of a table."""
    return f"table {table}" if table.isdigit() else table


def _text(cell: "Cell", results: dict[str, Result | None]) -> str:
    """The measured accuracy, then the paper's in brackets."""
    result = results[cell.recipe]
    ours = "–" if result is None else f"{100 * result.top1:.1f}" + "*" * result.overrides
    return ours if cell.top1 is None else f"{ours} ({cell.top1:.1f})"


COMMAND = {"list": list_recipes, "run": run, "table": table}
