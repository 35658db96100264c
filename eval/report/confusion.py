"""What is taken for what: a recognizer's confusion matrix, and that of a model that answers questions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.report.matrix_plot import matrix_plot
from eval.report.svg import drawing, file_svg
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
