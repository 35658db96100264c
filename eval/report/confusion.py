"""What is taken for what: a recognizer's confusion matrix, and that of a model that answers questions."""

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

MOST = 40  # classes of a matrix that can still be read, and that a light page can hold


@dataclass(frozen=True, slots=True)
class ConfusionView:
    """Counts [C, C] of one model, true class down; `names` of the classes, and their `groups` (say, events) if any."""

    model: str
    names: tuple[str, ...]
    counts: IntArray
    groups: tuple[str, ...] = ()


def confusion_svg(view: ConfusionView) -> str:
    """Return the matrix of all classes as an SVG file's text; its classes are numbered from 0, as labels are."""
    counts = np.asarray(view.counts)
    matrix = _data(view.model, "", dict(enumerate(view.names)), dict(enumerate(view.groups)), _cells(counts), None)
    heading = [
        f"{view.model}: {np.trace(counts)} of {counts.sum()} clips right",
        "A line is the true class, a column the answer; darker is more often, orange is wrong.",
    ]
    with drawing():
        return file_svg(matrix_plot(matrix, heading, first=0))


def matrix_data(view: ConfusionView, benchmark: str) -> dict[str, Any] | None:
    """The matrix as the page draws it, None without classes; a cell's share is of the true class's clips."""
    if not view.names:
        return None
    names, groups = dict(enumerate(view.names)), dict(enumerate(view.groups))
    return _data(view.model, benchmark, names, groups, _cells(np.asarray(view.counts)))


def choice_confusion(
    model: str, benchmark: str, questions: Sequence[Question], predictions: Sequence[Prediction]
) -> dict[str, Any] | None:
    """The same from answers: true element down, chosen element across, a share of the times it was offered.

    None where the choices are no elements.
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
    """Of counts [C, C] those above 0, each with the sum of its line, by (true, said)."""
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
    """The `most` classes that are in most wrong cells, by label; a cell is [true, said, count, of]."""
    wrong: Counter[int] = Counter(dict.fromkeys(groups or names, 0))
    for (true, said), (count, _) in cells.items():
        if true != said:
            wrong.update({true: count, said: count})
    kept = sorted(label for label, _ in wrong.most_common(most))
    spot = {label: number for number, label in enumerate(kept)}
    return {
        "model": model,
        "benchmark": benchmark,
        "names": [names[label] for label in kept],
        "groups": [groups.get(label, "") for label in kept],
        "left": len(wrong) - len(kept),
        "cells": [[spot[true], spot[said], *of] for (true, said), of in sorted(cells.items())
                  if true in spot and said in spot],
    }  # fmt: skip


CELLS = "cells"  # gid of them all
_SIZE = 17  # pixels of a cell
_LEFT, _TOP, _EDGE = 340, 26, 8  # margins in pixels
_LEVELS = 10  # of how often; on the page the cells of one level are one path
_NAME, _GROUP = 44, 8  # signs
_HEADING = {"fontsize": 12, "color": LIGHT["ink"]}
_INDEX = {"fontsize": 9.5, "color": LIGHT["soft"], "va": "center"}


def matrix_plot(matrix: Mapping[str, Any], heading: Sequence[str] = (), first: int = 1) -> Plot:
    """Draw a matrix as `eval.report.confusion` counts it; what is wrong has another colour than what is right.

    Args:
        matrix: names and groups of the classes, and cells [true, said, count, of].
        heading: lines above it.
        first: number of the first class.

    Returns:
        The picture; its groups `CELLS` and "name-0", … have tooltips.
    """
    names = matrix["names"]
    side, top = _SIZE * len(names), _TOP + 17 * len(heading)
    figure, axes = pixel_axes((_LEFT + side + _EDGE, top + side + _EDGE), _LEFT, top, right=_EDGE, bottom=_EDGE)
    axes.set(xlim=(0, len(names)), ylim=(len(names), 0))
    axes.patch.set(visible=True, facecolor="none", edgecolor=LIGHT["line"], linewidth=1, gid=FIELD)
    cells = sorted(matrix["cells"], key=_colour)
    squares = [_square(true, said) for true, said, _, _ in cells]
    axes.add_collection(PolyCollection(squares, facecolors=list(map(_colour, cells)), linewidths=0, gid=CELLS))
    for line, text in enumerate(reversed(heading)):
        _beside(axes, text, (0, 0), (8 - _LEFT, _TOP + 17 * line), **_HEADING)
    spots = [number + 0.5 for number in range(len(names))]
    for number, (name, spot) in enumerate(zip(names, spots, strict=True)):
        _beside(axes, one_line(name, _NAME), (0, spot), (-30, 0), ha="right", fontsize=11.5, color=LIGHT["ink"],
                va="center", gid=f"name-{number}")  # fmt: skip
    for number, spot in enumerate(spots, first):
        _beside(axes, str(number), (0, spot), (-8, 0), ha="right", **_INDEX)
    for number, spot in enumerate(spots, first):
        _beside(axes, str(number), (spot, 0), (0, 12), ha="center", **_INDEX)
    _part(axes, matrix["groups"])
    titles = {f"name-{number}": [name] for number, name in enumerate(names)}
    titles[CELLS] = [f"{names[i]} → {names[j]}: {count} of {asked}" for i, j, count, asked in cells]
    return Plot(figure, f"Confusion matrix of {matrix['model']}", titles)


def _colour(cell: Sequence[int]) -> tuple[float, float, float, float]:
    """Of [true, said, count, of]: blue if right, and as dark as the level of the share."""
    true, said, count, asked = cell
    level = min(_LEVELS - 1, _LEVELS * count // asked)
    return to_rgba(LIGHT["accent" if true == said else "wrong"], 0.12 + 0.88 * (level + 0.5) / _LEVELS)


def _square(true: int, said: int) -> list[tuple[float, float]]:
    """Corners of a cell, a pixel apart from the next."""
    side = 1 - 1 / _SIZE
    return [(said, true), (said + side, true), (said + side, true + side), (said, true + side)]


def _part(axes: Axes, groups: Sequence[str]) -> None:
    """Name each run of classes of one group, and part it from the one before it."""
    for number, (before, group) in enumerate(pairwise(["", *groups])):
        if group and group != before:
            _beside(axes, one_line(group, _GROUP), (0, number + 0.5), (2 - _LEFT, 0), fontsize=10.5,
                    weight="bold", color=LIGHT["soft"], va="center")  # fmt: skip
            if number:
                axes.axhline(number - 0.5 / _SIZE, color=LIGHT["soft"], lw=1, alpha=0.55)


def _beside(axes: Axes, text: str, spot: tuple[float, float], offset: tuple[float, float], **look: Any) -> None:
    """Write text in pixels from a spot in cells."""
    axes.annotate(text, spot, offset, textcoords="offset points", annotation_clip=False, **look)
