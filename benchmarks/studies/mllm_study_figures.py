"""Results of mllm_study.py: accuracies over seeds, paired differences, tables and a plot."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from study_tables import percent, print_table, spread

from eval.adapters.baselines import chance
from eval.leaderboard.rows import score
from eval.stats.bootstrap import FloatArray, mean_interval
from eval.stats.comparison import compare_all
from gymqa.io.files import atomic_path
from gymqa.questions.files import load_predictions, load_questions
from gymqa.questions.schema import PUBLISHED_BENCHMARKS

Place = tuple[str, str, int]  # row, column, seed


def read_figures(folder: Path, places: Mapping[str, Place]) -> dict[str, Any]:
    """Accuracy of every row in every column, for each benchmark.

    Args:
        folder: of the run; questions/BENCHMARK.jsonl and predictions/NAME/BENCHMARK.jsonl are read.
        places: of each model, by its name.

    Returns:
        benchmarks: by name, `cells` (row, column, mean and sd over seeds, the interval over videos of the mean,
        accuracy by seed, fraction answered), `differences` by column, chance, and how many questions and videos.
    """
    return {"benchmarks": {name: _benchmark(folder, name, places) for name in PUBLISHED_BENCHMARKS}}


def _benchmark(folder: Path, benchmark: str, places: Mapping[str, Place]) -> dict[str, Any]:
    """One benchmark's."""
    questions = load_questions(folder / "questions" / f"{benchmark}.jsonl")
    videos = [question.video_id for question in questions]
    right: dict[tuple[str, str], dict[int, FloatArray]] = {}
    answered: dict[tuple[str, str], list[float]] = {}
    for name, (row, column, seed) in places.items():
        points, share = score(questions, load_predictions(folder / "predictions" / name / f"{benchmark}.jsonl"))
        right.setdefault((column, row), {})[seed] = points
        answered.setdefault((column, row), []).append(share)
    means = {place: np.mean(list(of_seed.values()), axis=0) for place, of_seed in right.items()}
    cells = []
    for (column, row), of_seed in right.items():
        interval = mean_interval(means[column, row], videos)
        by_seed = {str(seed): float(points.mean()) for seed, points in of_seed.items()}
        cells.append({"row": row, "column": column, **spread(list(by_seed.values())), "ci_low": interval.low,
                      "ci_high": interval.high, "seeds": by_seed, "answered": min(answered[column, row])})  # fmt: skip
    differences = {}
    for column in dict.fromkeys(column for column, _ in means):
        own = {row: points for (other, row), points in means.items() if other == column}
        differences[column] = [asdict(one) for one in compare_all(own, videos)]
    guessed = float(chance().expected(questions).mean())
    return {"cells": cells, "differences": differences, "chance": guessed, "questions": len(questions),
            "videos": len(set(videos))}  # fmt: skip


def show(figures: Mapping[str, Any]) -> None:
    """Print a table for each benchmark, and the differences to the last row."""
    for benchmark, found in figures["benchmarks"].items():
        cells = {(cell["row"], cell["column"]): cell for cell in found["cells"]}
        columns = list(dict.fromkeys(column for _, column in cells))
        rows = list(dict.fromkeys(row for row, _ in cells))
        texts = {row: [_text(cells[row, column]) for column in columns] for row in rows}
        print_table(f"{benchmark}, {found['questions']} questions, chance {100 * found['chance']:.1f}", columns, texts)
        for column, differences in found["differences"].items():
            for one in differences:
                value = one["difference"]
                mean, low, high = (f"{100 * value[key]:+.1f}" for key in ("value", "low", "high"))
                pair = f"{one['first']} - {one['second']}"
                print(f"  {column}: {pair}: {mean} ({low} to {high}), by Holm {one['p_holm']:.3f}")
        print()


def _text(cell: Mapping[str, Any]) -> str:
    """Mean and spread over seeds, then the interval over videos."""
    return f"{percent(cell)} [{100 * cell['ci_low']:.1f}, {100 * cell['ci_high']:.1f}]"


def draw(figures: Mapping[str, Any], path: Path) -> None:
    """Bars of all cells with their intervals, a panel a benchmark, chance as a line."""

    matplotlib.use("Agg")

    found = figures["benchmarks"]
    figure, panels = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.6), sharey=True, layout="constrained")
    for axes, (benchmark, one) in zip(np.atleast_1d(panels), found.items(), strict=True):
        columns = list(dict.fromkeys(cell["column"] for cell in one["cells"]))
        rows = list(dict.fromkeys(cell["row"] for cell in one["cells"]))
        for place, row in enumerate(rows):
            of_row = {cell["column"]: cell for cell in one["cells"] if cell["row"] == row}
            cells = [of_row[column] for column in columns]
            at = np.arange(len(columns)) + (place - (len(rows) - 1) / 2) * 0.8 / len(rows)
            means = np.array([100 * cell["mean"] for cell in cells])
            ends = np.abs(np.array([[100 * cell[end] for cell in cells] for end in ("ci_low", "ci_high")]) - means)
            axes.bar(at, means, 0.8 / len(rows), yerr=ends, capsize=2, label=row)
        axes.axhline(100 * one["chance"], color="#222222", linewidth=0.8, linestyle="--")
        axes.set_xticks(range(len(columns)), [f"{column} labelled" for column in columns])
        axes.set_title(benchmark)
        axes.spines[["top", "right"]].set_visible(False)
    np.atleast_1d(panels)[0].set_ylabel("accuracy (%)")
    bars = np.atleast_1d(panels)[0].get_legend_handles_labels()
    figure.legend(*bars, loc="outside lower center", ncols=len(bars[0]), frameon=False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130, format="png")
    plt.close(figure)
