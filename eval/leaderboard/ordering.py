"""Which of the leaderboard's rows the tables show, and in which order."""

import math
from collections.abc import Iterable, Sequence

from eval.leaderboard.schema import ACCURACY, Line, ModelRun, Row


def main_rows(rows: Iterable[Row]) -> list[Row]:
    """Of rows that differ in the number of frames only, the one with most; "chooses itself" counts as most."""
    kept: dict[tuple[Line, str, str], Row] = {}
    for row in rows:
        key = (row.line, row.benchmark, row.metric)
        if key not in kept or frame_rank(row.n_frames) > frame_rank(kept[key].n_frames):
            kept[key] = row
    return list(kept.values())


def main_runs(runs: Sequence[ModelRun]) -> list[ModelRun]:
    """Of runs that differ in the number of frames only, the answers with most on each benchmark, as one run."""
    kept: dict[Line, dict[str, ModelRun]] = {}
    for run in sorted(runs, key=lambda run: frame_rank(run.n_frames)):  # stable: of equals the later one wins
        line = run.line
        kept.setdefault(line, {}).update(dict.fromkeys(run.predictions, run))
    order = {run.line: None for run in runs}
    answers = {line: {name: run.predictions[name] for name, run in kept[line].items()} for line in order}
    return [ModelRun(line.model, line.encoder, found, line.control) for line, found in answers.items()]


def best_first(runs: Sequence[ModelRun], rows: Sequence[Row]) -> list[ModelRun]:
    """The runs in the order in which the table shows their models."""
    shown = [row for row in main_rows(rows) if row.metric == ACCURACY]
    order = {line: spot for spot, (line, _) in enumerate(by_line(shown, "benchmark"))}
    return sorted(runs, key=lambda run: order.get(run.line, len(order)))  # asked in twos only, it has no such row


def frame_rank(n_frames: int | None) -> float:
    """More for more frames; "chooses itself" (None) counts as most."""
    return math.inf if n_frames is None else n_frames


def by_line(rows: Sequence[Row], column: str) -> list[tuple[Line, dict[str, Row]]]:
    """Group rows by line, with the cells by the Row field `column`; best first in the first column's value."""
    lines: dict[Line, dict[str, Row]] = {}
    for row in rows:
        lines.setdefault(row.line, {})[getattr(row, column)] = row
    first = getattr(rows[0], column) if rows else ""

    def rank(cells: dict[str, Row]) -> float:
        return -cells[first].value if first in cells else 1.0

    return sorted(lines.items(), key=lambda line: rank(line[1]))
