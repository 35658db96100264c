"""Confusion matrices of recognizers (classes) and answering models (chosen elements): counts and SVG plots."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba

from eval.report.svg import FIELD, LIGHT, Plot, drawing, file_svg, one_line, pixel_axes
from eval.stats.bootstrap import IntArray
from gymqa.questions.schema import Prediction, Question

MOST = 40  # classes of a matrix that remain readable and keep the page small


@dataclass(frozen=True, slots=True)
class ConfusionView:
    """Counts [C, C] of one model, a row per true class; `names` of the classes and their `groups` (events), if any."""

    model: str
    names: tuple[str, ...]
    counts: IntArray
    groups: tuple[str, ...] = ()


def confusion_svg(view: ConfusionView) -> str:
    """The matrix of all classes as SVG text; classes are numbered from 0, as labels are."""
    counts = np.asarray(view.counts)
    matrix = _data(view.model, "", dict(enumerate(view.names)), dict(enumerate(view.groups)), _cells(counts), None)
    heading = [
        f"{view.model}: {np.trace(counts)} of {counts.sum()} clips right",
        "A line is the true class, a column the answer; darker is more often, orange is wrong.",
    ]
    with drawing():
        return file_svg(matrix_plot(matrix, heading, first=0))


def matrix_data(view: ConfusionView, benchmark: str) -> dict[str, Any] | None:
    """The matrix as JSON values of the page, None without classes; cells count clips of the true class."""
    if not view.names:
        return None
    names, groups = dict(enumerate(view.names)), dict(enumerate(view.groups))
    return _data(view.model, benchmark, names, groups, _cells(np.asarray(view.counts)))


def choice_confusion(
    model: str, benchmark: str, questions: Sequence[Question], predictions: Sequence[Prediction]
) -> dict[str, Any] | None:
    """The confusion matrix of answers: how often an element was chosen where it was offered, by true element.

    None where the choices are not elements.
    """
    by_id = {prediction.question_id: prediction.choice for prediction in predictions}
    offered: Counter[tuple[int, int]] = Counter()
    chosen: Counter[tuple[int, int]] = Counter()
    names: dict[int, str] = {}
    groups: dict[int, str] = {}
    for question in (one for one in questions if one.choice_labels):
        true, choice = question.choice_labels[question.answer], by_id.get(question.id)
        names.update(zip(question.choice_labels, question.choices, strict=True))
        groups[true] = question.event
        offered.update((true, label) for label in question.choice_labels)
        if choice is not None:
            chosen[true, question.choice_labels[choice]] += 1
    cells = {cell: (n, offered[cell]) for cell, n in chosen.items()}
    return _data(model, benchmark, names, groups, cells) if names else None


def _cells(counts: IntArray) -> dict[tuple[int, int], tuple[int, int]]:
    """The nonzero counts of [C, C], each with the sum of its row, by (true, predicted)."""
    totals = counts.sum(axis=1)
    return {(i, j): (int(counts[i, j]), int(totals[i])) for i, j in np.argwhere(counts > 0).tolist()}


def _data(
    model: str,
    benchmark: str,
    names: Mapping[int, str],
    groups: Mapping[int, str],
    cells: Mapping[tuple[int, int], tuple[int, int]],
    most: int | None = MOST,
) -> dict[str, Any]:
    """JSON values of the `most` most confused classes, by label; a cell is [true, predicted, count, total]."""
    wrong: Counter[int] = Counter(dict.fromkeys(groups or names, 0))
    for (true, predicted), (count, _) in cells.items():
        if true != predicted:
            wrong.update({true: count, predicted: count})
    kept = sorted(label for label, _ in wrong.most_common(most))
    index = {label: number for number, label in enumerate(kept)}
    return {
        "model": model,
        "benchmark": benchmark,
        "names": [names[label] for label in kept],
        "groups": [groups.get(label, "") for label in kept],
        "left": len(wrong) - len(kept),
        "cells": [[index[true], index[predicted], *of] for (true, predicted), of in sorted(cells.items())
                  if true in index and predicted in index],
    }  # fmt: skip


CELLS = "cells"  # SVG id of the group of all cells
_SIZE = 17  # pixels of a cell
_LEFT, _TOP, _EDGE = 340, 26, 8  # margins in pixels
_LEVELS = 10  # shades; on the page the cells of one shade are one path
_NAME, _GROUP = 44, 8  # characters
_HEADING = {"fontsize": 12, "color": LIGHT["ink"]}
_INDEX = {"fontsize": 9.5, "color": LIGHT["soft"], "va": "center"}


def matrix_plot(matrix: Mapping[str, Any], heading: Sequence[str] = (), first: int = 1) -> Plot:
    """Plot a confusion matrix; wrong cells have another colour than right ones.

    Args:
        matrix: names and groups of the classes, and cells [true, predicted, count, total].
        heading: lines of text above it.
        first: number of the first class.

    Returns:
        The plot; its groups `CELLS` and "name-0", … have tooltips.
    """
    names = matrix["names"]
    side, top = _SIZE * len(names), _TOP + 17 * len(heading)
    figure, axes = pixel_axes((_LEFT + side + _EDGE, top + side + _EDGE), _LEFT, top, right=_EDGE, bottom=_EDGE)
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0))
    axes.patch.set(visible=True, facecolor="none", edgecolor=LIGHT["line"], linewidth=1, gid=FIELD)
    cells = sorted(matrix["cells"], key=_colour)
    squares = [_square(true, predicted) for true, predicted, _, _ in cells]
    axes.add_collection(PolyCollection(squares, facecolors=list(map(_colour, cells)), linewidths=0, gid=CELLS))
    for line, text in enumerate(reversed(heading)):
        _beside(axes, text, (0, 0), (8 - _LEFT, _TOP + 17 * line), **_HEADING)
    centres = [number + 0.5 for number in range(len(names))]
    for number, (name, position) in enumerate(zip(names, centres, strict=True)):
        _beside(axes, one_line(name, _NAME), (0, position), (-30, 0), ha="right", fontsize=11.5, color=LIGHT["ink"],
                va="center", gid=f"name-{number}")  # fmt: skip
    for number, position in enumerate(centres, first):
        _beside(axes, str(number), (0, position), (-8, 0), ha="right", **_INDEX)
    for number, position in enumerate(centres, first):
        _beside(axes, str(number), (position, 0), (0, 12), ha="center", **_INDEX)
    _separate_groups(axes, matrix["groups"])
    titles = {f"name-{number}": [name] for number, name in enumerate(names)}
    titles[CELLS] = [f"{names[i]} → {names[j]}: {count} of {asked}" for i, j, count, asked in cells]
    return Plot(figure, f"Confusion matrix of {matrix['model']}", titles)


def _colour(cell: Sequence[int]) -> tuple[float, float, float, float]:
    """Colour of [true, predicted, count, total]: blue if right; darker for a larger fraction."""
    true, predicted, count, asked = cell
    level = min(_LEVELS - 1, _LEVELS * count // asked)
    return to_rgba(LIGHT["accent" if true == predicted else "wrong"], 0.12 + 0.88 * (level + 0.5) / _LEVELS)


def _square(true: int, predicted: int) -> list[tuple[float, float]]:
    """Corners of a cell, one pixel apart from its neighbours."""
    side = 1 - 1 / _SIZE
    return [(predicted, true), (predicted + side, true), (predicted + side, true + side), (predicted, true + side)]


def _separate_groups(axes: Axes, groups: Sequence[str]) -> None:
    """Label each run of classes of one group, with a line between groups."""
    for number, (before, group) in enumerate(pairwise(["", *groups])):
        if group and group != before:
            _beside(axes, one_line(group, _GROUP), (0, number + 0.5), (2 - _LEFT, 0), fontsize=10.5,
                    weight="bold", color=LIGHT["soft"], va="center")  # fmt: skip
            if number:
                axes.axhline(number - 0.5 / _SIZE, color=LIGHT["soft"], lw=1, alpha=0.55)


def _beside(axes: Axes, text: str, position: tuple[float, float], offset: tuple[float, float], **look: Any) -> None:
    """Write text at an offset in pixels from a position in cells."""
    axes.annotate(text, position, offset, textcoords="offset points", annotation_clip=False, **look)
