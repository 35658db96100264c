"""Result tables of gymsim_ssl_study.py: runs per cell, Top-1 over seeds, paired differences, printing.

rates: algorithms at each labelled fraction, all with the same network. components and perturbations: the rows of
SeFAR's Tables 3 and 4, whose switches are read from the recipes of its Gym99 column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from paired_comparison import compare
from study_tables import percent, print_differences, print_table, spread
from study_trainings import Training, right_clips

from gymqa.cli.arguments import build_parser
from gymqa.cli.commands.models.train import train
from gymqa.finegym.annotations import video_of
from gymqa.runtime.runs import Run
from recognizers.backbones.sefar import SeFARConfig
from recognizers.recipes import read_cells
from recognizers.ssl.algorithms import Algorithm, algorithm_named

ALGORITHMS = ("supervised", "fixmatch", "svformer", "sefar")
TABLES = {"components": "3", "perturbations": "4"}  # of the paper
PARTS = ("rates", *TABLES)
COLUMN, METHOD = "Gym99 5%", "sefar_s"  # of the paper's tables, and the full method in it


@dataclass(frozen=True)
class Variant:
    """An algorithm and the frames of each temporal element. Equal variants have equal names."""

    name: str
    algorithm: Algorithm
    elements: tuple[int, ...] = SeFARConfig().elements


@dataclass(frozen=True)
class Cell:
    """One cell of a table: row, labelled fraction (column), variant, and the paper's Top-1 in %."""

    row: str
    rate: float
    variant: Variant
    paper: float | None = None

    @property
    def column(self) -> str:
        """The labelled fraction as a column title."""
        return f"{100 * self.rate:g} %"


def read_part(name: str, rates: Sequence[float], recipes: Path) -> list[Cell]:
    """The cells of a part, in the order they are printed.

    Args:
        name: one of PARTS.
        rates: labelled fractions; the ablations use the first.
        recipes: folder of the recipes.
    """
    if name == "rates":
        variants = [Variant(algorithm, algorithm_named(algorithm)) for algorithm in ALGORITHMS]
        return [Cell(variant.name, rate, variant) for variant in variants for rate in rates]
    chosen = [cell for cell in read_cells(recipes) if (cell.table, cell.column) == (TABLES[name], COLUMN)]
    return [Cell(cell.row, rates[0], _of_method(recipes, cell.method), cell.top1) for cell in chosen]


def _of_method(recipes: Path, name: str) -> Variant:
    """The algorithm of a recipe's method; model, steps and data are the study's."""
    parser = build_parser(train, "gymqa train")
    given = parser.instantiate(parser.parse_args(["--config", str(recipes / f"{name}.yaml")]))
    algorithm: Algorithm = given.training.algorithm
    return Variant("sefar" + name.removeprefix(METHOD), algorithm, given.training.model.elements)


def part_figures(run: Run, name: str, trained: Sequence[tuple[Cell, Mapping[int, Training]]]) -> dict[str, Any]:
    """Top-1 of every cell over the seeds, and the differences within each column.

    Args:
        run: with all trainings tested.
        name: one of PARTS. In `rates` every algorithm is compared with every other one, in an ablation the full
            method, the last row, with each of the others.
        trained: cells with their trainings by seed.
    """
    cells, points, clips = [], {}, []
    for cell, of_seed in trained:
        right = {seed: right_clips(run, training) for seed, training in of_seed.items()}
        clips = sorted(next(iter(right.values())))
        by_seed = {str(seed): float(np.mean(list(found.values()))) for seed, found in right.items()}
        points[cell.column, cell.row] = np.mean([[found[clip] for clip in clips] for found in right.values()], axis=0)
        place = {"row": cell.row, "column": cell.column, "paper": cell.paper}
        cells.append({**place, **spread(list(by_seed.values())), "seeds": by_seed})
    videos = [video_of(clip) for clip in clips]
    differences = {}
    for column in dict.fromkeys(column for column, _ in points):
        own = {row: values for (other, row), values in points.items() if other == column}
        found = compare(own, _pairs(name, list(own)), videos)
        differences[column] = {pair: asdict(one) for pair, one in found.items()}
    return {"cells": cells, "differences": differences, "clips": len(clips), "videos": len(set(videos))}


def _pairs(name: str, rows: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of rows to compare."""
    if name == "rates":
        return [(later, earlier) for earlier, later in combinations(rows, 2)]
    return [(rows[-1], row) for row in rows[:-1]]


def show_part(name: str, figures: Mapping[str, Any]) -> None:
    """Print a part's table, with the paper's figure of Gym99 in brackets where there is one, and its differences."""
    cells = figures["cells"]
    columns = list(dict.fromkeys(cell["column"] for cell in cells))
    texts = {(cell["row"], cell["column"]): _text(cell) for cell in cells}
    rows = {row: [texts[row, column] for column in columns] for row in dict.fromkeys(cell["row"] for cell in cells)}
    title = f"table {TABLES[name]}, {name}" if name in TABLES else "labelled"
    print_table(title, columns, rows)
    for column, differences in figures["differences"].items():
        print(f"{column}:")
        print_differences(differences)


def _text(cell: Mapping[str, Any]) -> str:
    """Our result, then the paper's."""
    return percent(cell) if cell["paper"] is None else f"{percent(cell)} ({cell['paper']:.1f})"
