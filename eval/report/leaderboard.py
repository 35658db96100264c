"""The leaderboard report: scored page, terminal table, and files (HTML, JSON, Markdown, CSV, LaTeX)."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eval.adapters.baselines import REFERENCE_MODELS, chance, oracle_event, oracle_set
from eval.leaderboard.rows import build_rows, drop_drawn_guesses, unanswered_items
from eval.leaderboard.schema import (
    ACCURACY,
    NO_CONTROL,
    RECOGNITION,
    ModelRun,
    RecognizerRun,
    Row,
    best_first,
    by_line,
    main_rows,
    main_runs,
)
from eval.metrics.fusion import control_of
from eval.metrics.recognition import confusion, read_class_predictions
from eval.report.analyses import analyse
from eval.report.clips import Clips
from eval.report.confusion import ConfusionView, matrix_data
from eval.report.facts import facts_of
from eval.report.page import Page, render
from eval.report.samples import pack_samples
from eval.report.tables import as_csv, as_latex, as_markdown
from eval.run.question_files import QuestionFile
from eval.stats.bootstrap import RESAMPLES
from gymqa.errors import GymQAError
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.io.files import write_json, write_text
from gymqa.io.printable import printable, raw_stdout
from gymqa.runtime.runs import environment

FILE_WIDTH = 110  # columns of a table that is not printed in a terminal


def write_leaderboard(folder: Path, page: Page, name: str = "leaderboard.html") -> Path:
    """Write the page, and leaderboard.json, .md, .csv and .tex, into `folder`, each atomically.

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
    """JSON values of rows, paired comparisons, detectable differences, losses under controls, and environment."""
    return {
        "rows": [asdict(row) for row in page.rows],
        "comparisons": page.analyses.comparisons,
        "detectable_difference": page.analyses.resolution,
        "controls": page.analyses.controls,
        "environment": dict(page.environment),
        "notes": list(page.notes),
    }


def print_table(rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the questions' table and the recognizers' table, readable at 100 columns, as per cent with intervals."""
    screen = console or Console(file=raw_stdout())
    if console is None and not screen.is_terminal:
        screen = Console(file=raw_stdout(), width=FILE_WIDTH)  # the default of 80 columns would break names
    shown = main_rows(rows)
    groups = [("Questions, accuracy %", [row for row in shown if row.metric == ACCURACY], "benchmark"),
              ("Recognition, %", [row for row in shown if row.benchmark == RECOGNITION], "metric")]  # fmt: skip
    for title, chosen, column in groups:
        if chosen:
            screen.print(_table(title, chosen, column))
    screen.print("In brackets: 95 % interval, jackknife over videos. An unanswered question is wrong.", style="dim")


def _table(title: str, rows: Sequence[Row], column: str) -> Table:
    """A line per model and control, best first by the first column; a column per benchmark or metric."""
    names = list(dict.fromkeys(getattr(row, column) for row in rows))
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in (*names, "answered"):
        table.add_column(_plain(name), justify="right", no_wrap=True)
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
    """Literal text, without markup, control characters escaped."""
    return Text(printable(text))


def read_recognizers(files: Sequence[Path]) -> list[RecognizerRun]:
    """Read class predictions of `gymqa predict` on untouched clips; each recognizer is named by its file.

    Raises:
        GymQAError: as `read_class_predictions`, predictions under a control, or two files of one name.
    """
    found: dict[str, Path] = {}
    for file in files:
        if (control := control_of([file])) != NO_CONTROL:
            raise GymQAError(
                f"{file} was predicted under control {control}, and recognition is of untouched clips; leave it out"
            )
        if first := found.get(file.stem):
            raise GymQAError(f"{file} and {first} would both be named {file.stem}; rename one of them")
        found[file.stem] = file
    return [RecognizerRun(name, "", read_class_predictions(file)) for name, file in found.items()]


def make_page(
    asked: Sequence[QuestionFile],
    runs: Sequence[ModelRun],
    recognizers: Sequence[RecognizerRun] = (),
    taxonomy: Taxonomy | None = None,
    clips: Clips | None = None,
    title: str = "Gym-QA leaderboard",
    seed: int = 0,
    device: str = "cpu",
    resamples: int = RESAMPLES,
    notes: Sequence[str] = (),
) -> Page:
    """Score all runs and compute the page's content.

    Args:
        asked: the question files.
        runs: runs of the answering models.
        recognizers: class predictions; with a taxonomy their confusion matrices are shown.
        taxonomy: of the questions; adds the oracles of event and set.
        clips: videos of the page.
        title: heading of the page.
        seed: of the splits and resamples.
        device: on which the answers were computed, for the record.
        resamples: random splits (and resamples) of the videos, by which models are compared.
        notes: sentences on incomplete results.
    """
    benchmarks = {one.benchmark: one.questions for one in asked}
    guessers = [chance()] if taxonomy is None else [chance(), oracle_event(taxonomy), oracle_set(taxonomy)]
    runs, left_out = drop_drawn_guesses(runs, guessers)
    if left_out:
        print(left_out)
    rows = build_rows(benchmarks, runs, guessers, recognizers, resamples, seed)
    ordered = best_first(runs, rows)
    analyses = analyse(benchmarks, ordered, rows, taxonomy, resamples, seed)
    if taxonomy is not None:
        analyses.confusions += _confusions(recognizers, taxonomy)
    plain = [run for run in best_first(main_runs(runs), rows) if run.control == NO_CONTROL and run.predictions]
    return Page(
        title,
        tuple(rows),
        environment(seed, device),
        pack_samples(benchmarks, plain, clips),
        tuple(unanswered_items(benchmarks, plain, recognizers)),
        analyses,
        {name: questions[0].tier for name, questions in benchmarks.items()},
        tuple(notes),
        tuple(facts_of(ordered)),
    )


def _confusions(recognizers: Sequence[RecognizerRun], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """The recognizers' confusion matrices, as the page draws them."""
    names = tuple(element.display_name for element in taxonomy.elements)
    events = tuple(element.event for element in taxonomy.elements)
    views = [ConfusionView(one.label, names, confusion(one.predictions), events) for one in recognizers]
    return [matrix for view in views if (matrix := matrix_data(view, RECOGNITION))]
