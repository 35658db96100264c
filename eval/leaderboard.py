"""The leaderboard of a set of rows: a terminal table, leaderboard.json and leaderboard.html."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.adapters.baselines import REFERENCE_MODELS
from eval.report.page import Page, render
from eval.report.samples import ConfusionView, Sample
from eval.rows import RECOGNITION, Row, Unanswered, by_model, label_of
from gymqa.atomic import write_json, write_text
from gymqa.errors import GymQAError

FILE_WIDTH = 110  # columns of a table that is not printed in a terminal


def write_leaderboard(
    folder: Path,
    rows: Sequence[Row],
    environment: Mapping[str, Any],
    samples: Sequence[Sample] = (),
    unanswered: Sequence[Unanswered] = (),
    confusion: ConfusionView | None = None,
    title: str = "Gym-QA leaderboard",
) -> Path:
    """Write `leaderboard.json` and `leaderboard.html` into `folder`, each whole or not at all; return the page's path.

    Raises:
        GymQAError: the folder cannot be written to, or a value is not a number in [0, 1].
    """
    for row in rows:
        if not all(0 <= value <= 1 for value in (row.value, row.ci_low, row.ci_high, row.answered_rate)):
            raise GymQAError(f"{row.model} on {row.benchmark} has a value outside [0, 1]; score its predictions again")
    page = folder / "leaderboard.html"
    html = render(Page(title, tuple(rows), environment, tuple(samples), tuple(unanswered), confusion))
    write_json(folder / "leaderboard.json", {"rows": [asdict(row) for row in rows], "environment": dict(environment)})
    write_text(page, html)
    return page


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the questions' table and the recognizers' table, readable at 100 columns, as per cent with intervals."""
    screen = console or Console()
    if console is None and not screen.is_terminal:
        screen = Console(
            width=FILE_WIDTH
        )  # in a file nothing is gained by 80 columns, and names would be cut to pieces
    groups = [("Questions, accuracy %", [row for row in rows if row.metric == "accuracy"], "benchmark"),
              ("Recognition, %", [row for row in rows if row.benchmark == RECOGNITION], "metric")]  # fmt: skip
    for title, chosen, column in groups:
        if chosen:
            screen.print(_table(title, chosen, column))
    screen.print("In brackets: 95 % interval, bootstrap over videos. An unanswered question is wrong.", style="dim")


def _table(title: str, rows: Sequence[Row], column: str) -> Table:
    """A line a model, best first by the first column; a column a benchmark or metric."""
    names = list(dict.fromkeys(getattr(row, column) for row in rows))
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in (*names, "answered"):
        table.add_column(name, justify="right", no_wrap=True)
    for model, encoder, cells in by_model(rows, column):
        texts = [_cell(cells[name]) if name in cells else Text("–") for name in names]
        answered = min(row.answered_rate for row in cells.values())
        style = "dim" if model in REFERENCE_MODELS else ""
        table.add_row(_plain(label_of(model, encoder)), *texts, f"{100 * answered:.1f}", style=style)
    return table


def _cell(row: Row) -> Text:
    low, high = 100 * row.ci_low, 100 * row.ci_high
    return Text(f"{100 * row.value:.1f} [{low:.1f}, {high:.1f}]")


def _plain(text: str) -> Text:
    """Text as it is, without markup, and without control characters that would steer the terminal."""
    return Text("".join(sign for sign in text if sign.isprintable()))
