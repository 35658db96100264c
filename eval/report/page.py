"""The leaderboard as one self-contained HTML file: no request leaves it, and all text in it is escaped.

Its own style and script are named by their hashes in the content security policy, so even markup that slipped through
the escaping could neither run nor load anything.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from eval.adapters.baselines import CHANCE, REFERENCE_MODELS
from eval.report.confusion import confusion_cells
from eval.report.samples import ConfusionView, Sample
from eval.report.templates import templates
from eval.rows import RECOGNITION, Row, Unanswered, by_model, label_of
from gymqa.questions import LETTERS

# Benchmark or metric -> (heading, what it is in a few words).
_NAMES = {
    "gym-qa": ("Gym-QA", "random distractors"),
    "gym-qa-hard": ("Gym-QA-Hard", "distractors of the same set"),
    "gym-new": ("Gym-New", "the direction twin is a choice"),
    "event": ("Gym-QA, event", "distractors of the same apparatus"),
    "attribute": ("Gym-QA, attribute", "distractors one decision away"),
    "decision": ("Decisions", "yes or no"),
    "counting": ("Counting", "turns and saltos"),
    "direction": ("Direction", "forward, backward, …"),
    "shape": ("Body shape", "tucked, piked, …"),
    "minimal-pairs": ("Minimal pairs", "both of two clips right"),
    RECOGNITION: ("Recognition", ""),
    "top1": ("Top-1", "share of clips right"),
    "mean_class": ("Mean class", "average over classes"),
    "mAP": ("mAP", "macro average precision"),
}
_WORST_PAIRS = 6


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page shows."""

    title: str
    rows: tuple[Row, ...]
    environment: Mapping[str, Any]
    samples: tuple[Sample, ...] = ()
    unanswered: tuple[Unanswered, ...] = ()
    confusion: ConfusionView | None = None


def render(page: Page) -> str:
    """Return the HTML text of `page`."""
    jinja = templates()
    style, script = (jinja.get_template(name).render() for name in ("page.css.j2", "page.js.j2"))
    questions = _table([row for row in page.rows if row.benchmark != RECOGNITION], "benchmark")
    recognition = _table([row for row in page.rows if row.benchmark == RECOGNITION], "metric")
    return jinja.get_template("page.html.j2").render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        letters=LETTERS,
        questions=questions,
        recognition=recognition,
        highlights=[*_highlights(questions), *_highlights(recognition)[:1]],
        models=list(dict.fromkeys(label for sample in page.samples for label in sample.answers)),
        heading=_heading,
        environment=list(_flat(page.environment)),
        confusion=page.confusion and _confusion(page.confusion),
    )


def _hash(text: str) -> str:
    """Name of an inline style or script in the content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _heading(name: str) -> tuple[str, str]:
    return _NAMES.get(name, (name, ""))


def _table(rows: Sequence[Row], column: str) -> dict[str, Any]:
    """A line a model, best first by the first column; a column a benchmark or metric, with its chance level."""
    names = list(dict.fromkeys(getattr(row, column) for row in rows))
    models = [
        {
            "model": model,
            "encoder": encoder,
            "reference": model in REFERENCE_MODELS,
            "cells": cells,
            "answered": min(row.answered_rate for row in cells.values()),
        }
        for model, encoder, cells in by_model(rows, column)
    ]
    columns = [
        {
            "name": name,
            "heading": _heading(name),
            "chance": next((row.value for row in rows if row.model == CHANCE and getattr(row, column) == name), None),
            "n": max(row.n for row in rows if getattr(row, column) == name),
        }
        for name in names
    ]
    return {"columns": columns, "models": models}


def _highlights(table: dict[str, Any]) -> list[dict[str, Any]]:
    """The best model of each column, references aside."""
    found = []
    for column in table["columns"]:
        rows = [line["cells"].get(column["name"]) for line in table["models"] if not line["reference"]]
        best = max((row for row in rows if row is not None), key=lambda row: row.value, default=None)
        if best is not None:
            found.append({"column": column, "row": best, "label": label_of(best.model, best.encoder)})
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as (name, text) pairs: versions · torch."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} · ")
        else:
            yield name, "not known" if value is None else str(value)


def _confusion(view: ConfusionView) -> dict[str, Any]:
    """Cells as shares of their row, the lines between groups, and the pairs that are confused most."""
    counts, cells = np.asarray(view.counts), confusion_cells(view)
    wrong = sorted((cell for cell in cells if cell["true"] != cell["said"]), key=lambda cell: -cell["share"])
    borders = [i for i in range(1, len(view.groups)) if view.groups[i] != view.groups[i - 1]]
    starts = [0, *borders] if view.groups else []
    return {
        "view": view,
        "cells": cells,
        "worst": wrong[:_WORST_PAIRS],
        "borders": borders,
        "groups": [(start, view.groups[start]) for start in starts],
        "right": int(np.trace(counts)),
        "n": int(counts.sum()),
    }
