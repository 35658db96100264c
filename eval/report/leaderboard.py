"""The leaderboard: a table in the terminal, the page, and its figures as JSON, Markdown, CSV and LaTeX."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.adapters.baselines import REFERENCE_MODELS
from eval.leaderboard.ordering import by_line, main_rows
from eval.leaderboard.schema import ACCURACY, NO_CONTROL, RECOGNITION, Row
from eval.report.page import Page, render
from eval.report.tables import as_csv, as_latex, as_markdown
from gymqa.errors import GymQAError
from gymqa.io.files import write_json, write_text

FILE_WIDTH = 110  # columns of a table that is not printed in a terminal


def write_leaderboard(folder: Path, page: Page, name: str = "leaderboard.html") -> Path:
    """Write the page, and leaderboard.json, .md, .csv and .tex, into `folder`; each whole or not at all.

    Returns:
        The page's path.

    Raises:
        GymQAError: the folder cannot be written to, or a value is not a number in [0, 1].
    """
    for row in page.rows:
        if not all(0 <= value <= 1 for value in (row.value, row.ci_low, row.ci_high, row.answered_rate)):
            raise GymQAError(f"{row.model} on {row.benchmark} has a value outside [0, 1]; score its predictions again")
    html = render(page)
    write_json(folder / "leaderboard.json", leaderboard_json(page))
    for suffix, table in (("md", as_markdown), ("csv", as_csv), ("tex", as_latex)):
        write_text(folder / f"leaderboard.{suffix}", table(page.rows))
    write_text(folder / name, html)
    return folder / name


def leaderboard_json(page: Page) -> dict[str, object]:
    """Every row, what parts every two models, what each loses under each control, and where all this was measured."""
    return {
        "rows": [asdict(row) for row in page.rows],
        "comparisons": page.evidence.comparisons,
        "detectable_difference": page.evidence.resolution,
        "controls": page.evidence.controls,
        "environment": dict(page.environment),
    }


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the questions' table and the recognizers' table, readable at 100 columns, as per cent with intervals."""
    screen = console or Console()
    if console is None and not screen.is_terminal:
        screen = Console(
            width=FILE_WIDTH
        )  # in a file nothing is gained by 80 columns, and names would be cut to pieces
    shown = main_rows(rows)
    groups = [("Questions, accuracy %", [row for row in shown if row.metric == ACCURACY], "benchmark"),
              ("Recognition, %", [row for row in shown if row.benchmark == RECOGNITION], "metric")]  # fmt: skip
    for title, chosen, column in groups:
        if chosen:
            screen.print(_table(title, chosen, column))
    screen.print("In brackets: 95 % interval, bootstrap over videos. An unanswered question is wrong.", style="dim")


def _table(title: str, rows: Sequence[Row], column: str) -> Table:
    """A line a model and control, best first by the first column; a column a benchmark or metric."""
    names = list(dict.fromkeys(getattr(row, column) for row in rows))
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in (*names, "answered"):
        table.add_column(name, justify="right", no_wrap=True)
    for line, cells in by_line(rows, column):
        texts = [_cell(cells[name]) if name in cells else Text("–") for name in names]
        answered = min(row.answered_rate for row in cells.values())
        style = "dim" if line.model in REFERENCE_MODELS or line.control != NO_CONTROL else ""
        table.add_row(_plain(line.label), *texts, f"{100 * answered:.1f}", style=style)
    return table


def _cell(row: Row) -> Text:
    low, high = 100 * row.ci_low, 100 * row.ci_high
    return Text(f"{100 * row.value:.1f} [{low:.1f}, {high:.1f}]")


def _plain(text: str) -> Text:
    """Text as it is, without markup, and without control characters that would steer the terminal."""
    return Text("".join(sign for sign in text if sign.isprintable()))
