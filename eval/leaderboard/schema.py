"""Leaderboard data classes: one metric value (Row), one table line (Line), runs per model; sorting and grouping."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eval.metrics.forms import ACCURACY
from eval.metrics.recognition import ClassPredictions
from eval.run.results import Result
from gymqa.questions.schema import Prediction

RECOGNITION = "recognition"
NO_CONTROL = "none"
SINGLE = "single_questions"
"""Single-question accuracy of minimal pairs; ACCURACY counts pairs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One metric value with its 95 % interval, all in [0, 1]; `encoder` is empty where there is none.

    `rank_low` to `rank_high` is the range of ranks compatible with the data among the models of its benchmark and
    control; references and recognition have none. `n_frames` is None where the model chooses it.
    """

    model: str
    encoder: str
    benchmark: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    answered_rate: float
    control: str = NO_CONTROL
    n_frames: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None

    @property
    def line(self) -> "Line":
        """The table line it belongs to."""
        return Line(self.model, self.encoder, self.control)


class Line(NamedTuple):
    """Identity of a table line."""

    model: str
    encoder: str
    control: str

    @property
    def label(self) -> str:
        """Model, encoder and control as one name."""
        name = label_of(self.model, self.encoder)
        return name if self.control == NO_CONTROL else f"{name} ({self.control})"


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A model's answers under one control and with one number of frames: benchmark -> predictions.

    `rotated` has those under every rotation of the choices and `binaries` those of the binary form, for benchmarks
    evaluated so; `adapter` is the adapter's name; `results` are the result files that `predictions` were read with
    and `written` the days on which those were written, as their files tell.
    """

    model: str
    encoder: str
    predictions: Mapping[str, Sequence[Prediction]]
    control: str = NO_CONTROL
    n_frames: int | None = None
    rotated: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)
    adapter: str = ""
    binaries: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)
    results: Mapping[str, Result] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> Line:
        """The table line it fills."""
        return Line(self.model, self.encoder, self.control)

    @property
    def label(self) -> str:
        """Model and encoder as one name."""
        return label_of(self.model, self.encoder)


@dataclass(frozen=True, slots=True)
class RecognizerRun:
    """A recognizer's class probabilities on the val clips."""

    model: str
    encoder: str
    predictions: ClassPredictions

    @property
    def label(self) -> str:
        """Model and encoder as one name."""
        return label_of(self.model, self.encoder)


def label_of(model: str, encoder: str) -> str:
    """Model and encoder as one name."""
    return f"{model} · {encoder}" if encoder else model


def main_rows(rows: Iterable[Row]) -> list[Row]:
    """Of rows that differ in the number of frames only, the one with most; None (the model's choice) counts as most."""
    kept: dict[tuple[Line, str, str], Row] = {}
    for row in rows:
        key = (row.line, row.benchmark, row.metric)
        if key not in kept or frame_rank(row.n_frames) > frame_rank(kept[key].n_frames):
            kept[key] = row
    return list(kept.values())


def main_runs(runs: Sequence[ModelRun]) -> list[ModelRun]:
    """Of runs that differ in the number of frames only, on each benchmark the answers with most, as one run."""
    kept: dict[Line, dict[str, ModelRun]] = {}
    for run in sorted(runs, key=lambda run: frame_rank(run.n_frames)):  # stable: of equals the later one wins
        line = run.line
        kept.setdefault(line, {}).update(dict.fromkeys(run.predictions, run))
    order = {run.line: None for run in runs}
    return [
        ModelRun(
            line.model, line.encoder, {name: run.predictions[name] for name, run in kept[line].items()}, line.control,
            results={name: run.results[name] for name, run in kept[line].items() if name in run.results},
        )
        for line in order
    ]  # fmt: skip


def best_first(runs: Sequence[ModelRun], rows: Sequence[Row]) -> list[ModelRun]:
    """The runs in the table's order of models."""
    shown = [row for row in main_rows(rows) if row.metric == ACCURACY]
    order = {line: index for index, (line, _) in enumerate(by_line(shown, "benchmark"))}
    return sorted(runs, key=lambda run: order.get(run.line, len(order)))  # binary-only runs have no such row


def frame_rank(n_frames: int | None) -> float:
    """Sort key by number of frames; None (the model's choice) counts as most."""
    return math.inf if n_frames is None else n_frames


def by_line(rows: Sequence[Row], column: str) -> list[tuple[Line, dict[str, Row]]]:
    """Group rows by line, with cells by the Row field `column`; best first by the first column's value."""
    lines: dict[Line, dict[str, Row]] = {}
    for row in rows:
        lines.setdefault(row.line, {})[getattr(row, column)] = row
    first = getattr(rows[0], column) if rows else ""

    def rank(cells: dict[str, Row]) -> float:
        return -cells[first].value if first in cells else 1.0

    return sorted(lines.items(), key=lambda line: rank(line[1]))
