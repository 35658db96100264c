"""The leaderboard page: one HTML file from templates, all text escaped, no request but for the clips beside it.

Its style and script are named by their hashes in the content security policy, so that even markup that escaped the
escaping could neither run nor load anything. The script's data is one block of JSON; the plots are inline SVG.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from eval.adapters.baselines import CHANCE, REFERENCE_MODELS
from eval.leaderboard.rows import Unanswered
from eval.leaderboard.schema import ACCURACY, NO_CONTROL, RECOGNITION, Row, by_line, main_rows
from eval.report.analyses import Analyses
from eval.report.facts import ModelFacts
from eval.report.pairs import SHOWN, Pairs, best_of, listed, pairs_of
from eval.report.plots import draw
from eval.report.svg import DARK, LIGHT
from gymqa.io.printable import printable

# Benchmark or metric -> (heading, short description).
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
    "top1": ("Top-1", "fraction of clips right"),
    "mean_class": ("Mean class", "average over classes"),
    "mAP": ("mAP", "macro average precision"),
}
_SCRIPTS = ("page.js.j2", "charts.js.j2", "player.js.j2", "samples.js.j2")
_MOST_UNANSWERED = 100  # lines of their table; leaderboard.json counts all


@dataclass(frozen=True, slots=True)
class Page:
    """Content of the page; `samples` are those of `pack_samples`, `tiers` the tier of each benchmark.

    `notes` are sentences on results that are not complete, `facts` those of the models.
    """

    title: str
    rows: tuple[Row, ...]
    environment: Mapping[str, Any]
    samples: Mapping[str, Any] | None = None
    unanswered: tuple[Unanswered, ...] = ()
    analyses: Analyses = field(default_factory=Analyses)
    tiers: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    facts: tuple[ModelFacts, ...] = ()


def render(page: Page) -> str:
    """Return the HTML text of `page`."""
    jinja = templates()
    style = jinja.get_template("page.css.j2").render(light=LIGHT, dark=DARK)
    script = "\n".join(jinja.get_template(name).render() for name in _SCRIPTS)
    rows = main_rows(page.rows)
    asked = [row for row in rows if row.metric == ACCURACY]
    questions = _table(asked, "benchmark", page.tiers)
    recognition = _table([row for row in rows if row.benchmark == RECOGNITION], "metric", {})
    pairs = pairs_of(page.analyses.comparisons)
    plots, plot_indices = draw(page.analyses, lambda name: _heading(name)[0])
    html = jinja.get_template("page.html.j2").render(
        page=page,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        pictures=plots,
        data=_json(_data(page, [column["name"] for column in questions["columns"]], plot_indices)),
        questions=questions,
        recognition=recognition,
        tiers=list(dict.fromkeys(filter(None, page.tiers.values()))),
        controls=list(dict.fromkeys([NO_CONTROL, *(row.control for row in asked)])),
        pairs=pairs,
        most_pairs=SHOWN,
        listed=listed,
        highlights=[*_highlights(questions, pairs), *_highlights(recognition)[:1]],
        heading=_heading,
        environment=list(_flat(page.environment)),
        most_unanswered=_MOST_UNANSWERED,
    )
    return html.encode(errors="replace").decode()  # a lone surrogate is invalid in UTF-8


def _data(page: Page, benchmarks: Sequence[str], plot_indices: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The script's data; `plot_indices` are those of `draw`."""
    nothing = {"total": 0, "shown": 0, "choices": [], "models": [], "base": None, "missing": []}
    return {
        "benchmarks": [[name, _heading(name)[0]] for name in benchmarks],
        "samples": page.samples or nothing,
        "pictures": plot_indices,
        **page.analyses.drawn(),
    }


def _json(values: Mapping[str, Any]) -> Markup:
    """JSON that cannot end its HTML element or a line of script, whatever its texts."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text.encode(errors="backslashreplace").decode())  # a lone surrogate is escaped


def _hash(text: str) -> str:
    """Hash of an inline style or script for the content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _heading(name: str) -> tuple[str, str]:
    return _NAMES.get(name, (name, ""))


def _table(rows: Sequence[Row], column: str, tiers: Mapping[str, str]) -> dict[str, Any]:
    """A line per model and control, best first by the first column; a column per benchmark or metric, with chance."""
    names = list(dict.fromkeys(getattr(row, column) for row in rows))
    lines = [
        {
            **line._asdict(),
            "reference": line.model in REFERENCE_MODELS,
            "cells": cells,
            "answered": min(row.answered_rate for row in cells.values()),
        }
        for line, cells in by_line(rows, column)
    ]
    columns = [
        {
            "name": name,
            "heading": _heading(name),
            "tier": tiers.get(name, ""),
            "chance": next((row.value for row in rows if row.model == CHANCE and getattr(row, column) == name), None),
            "n": max(row.n for row in rows if getattr(row, column) == name),
        }
        for name in names
    ]
    return {"columns": columns, "lines": lines}


def _highlights(table: dict[str, Any], pairs: Sequence[Pairs] = ()) -> list[dict[str, Any]]:
    """The best models of each column, without references and controls; `pairs` of the columns."""
    compared = {one.benchmark: one.pairs for one in pairs}
    found = []
    for column in table["columns"]:
        lines = [line for line in table["lines"] if not line["reference"] and line["control"] == NO_CONTROL]
        rows = [line["cells"][column["name"]] for line in lines if column["name"] in line["cells"]]
        best = best_of(rows, compared.get(column["name"], ()))
        if best is not None:
            found.append({"column": column, "best": best})
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (name, text) pairs: versions · torch."""
    for key, value in values.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name} · ")
        elif isinstance(value, list):
            yield name, ", ".join(map(str, value)) or "none"
        else:
            yield name, "not known" if value is None else str(value)


def templates() -> Environment:
    """The template environment of this folder, with autoescaping; an undefined name is an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """A value as a template shows it: control and direction characters of foreign text escaped, as in the terminal."""
    return printable(value, "\n\t") if type(value) is str else value
