"""Results become rows: one number each, with its interval; and what was left unanswered is listed with its reason."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from eval.adapters.baselines import Guesser
from eval.comparison import rank_ranges
from eval.groups import group_scores
from eval.metrics import ClassPredictions, recognition_intervals
from eval.rotations import circular_scores, rotation_averaged
from eval.statistics import RESAMPLES, FloatArray, Interval, mean_interval
from gymqa.errors import GymQAError
from gymqa.questions import Prediction, Question

RECOGNITION = "recognition"
NO_CONTROL = "none"
ACCURACY, CIRCULAR, ROTATED = "accuracy", "circular", "rotation_averaged"
_DECIMALS = 10  # takes the last bits' noise off, so that 1/4 is written as 0.25


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the leaderboard with its 95 % interval, all in [0, 1]; `encoder` is empty where there is none.

    `rank_low` to `rank_high` are the ranks that the data leave open among the models of its benchmark and control;
    references and recognition have none. `n_frames` is None where the model chooses itself.
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
        """The line of the table it stands in."""
        return Line(self.model, self.encoder, self.control)


class Line(NamedTuple):
    """What a line of the leaderboard is about."""

    model: str
    encoder: str
    control: str

    @property
    def label(self) -> str:
        """Model, encoder and control in one."""
        name = label_of(self.model, self.encoder)
        return name if self.control == NO_CONTROL else f"{name} ({self.control})"


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A model's answers, under one control and with one number of frames: benchmark -> predictions.

    `rotated` has those under every rotation of the choices, where a benchmark was asked so; `adapter` is what asked.
    """

    model: str
    encoder: str
    predictions: Mapping[str, Sequence[Prediction]]
    control: str = NO_CONTROL
    n_frames: int | None = None
    rotated: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)
    adapter: str = ""

    @property
    def line(self) -> Line:
        """The line of the table that it fills."""
        return Line(self.model, self.encoder, self.control)

    @property
    def label(self) -> str:
        """Model and encoder in one."""
        return label_of(self.model, self.encoder)


@dataclass(frozen=True, slots=True)
class RecognizerRun:
    """A recognizer's class probabilities on the val clips."""

    model: str
    encoder: str
    predictions: ClassPredictions

    @property
    def label(self) -> str:
        """Model and encoder in one."""
        return label_of(self.model, self.encoder)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A clip that these models had no answer for on these benchmarks, and why."""

    clip_id: str
    reason: str
    benchmarks: tuple[str, ...]
    models: tuple[str, ...]


def label_of(model: str, encoder: str) -> str:
    """Model and encoder in one, as shown where there is room for one name only."""
    return f"{model} · {encoder}" if encoder else model


def without_guesses(runs: Sequence[ModelRun], guessers: Sequence[Guesser]) -> tuple[list[ModelRun], str]:
    """Leave out what these guessers drew in `gymqa evaluate`: their exact rows are there.

    Returns:
        The other runs, and one sentence on those left out; empty where there are none.
    """
    names = {guesser.name for guesser in guessers}
    drawn = dict.fromkeys(run.label for run in runs if run.adapter in names)
    left = [run for run in runs if run.adapter not in names]
    return left, f"left out: {', '.join(drawn)}, drawn by chance; the table has the exact values" if drawn else ""


def build_rows(
    benchmarks: Mapping[str, Sequence[Question]],
    runs: Sequence[ModelRun] = (),
    guessers: Sequence[Guesser] = (),
    recognizers: Sequence[RecognizerRun] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Row]:
    """Score everything.

    Args:
        benchmarks: name -> its questions. A question without a prediction is unanswered, and wrong; a minimal pair
            counts once, and is right where both its questions are.
        runs: models that answered questions, each on any of the benchmarks.
        guessers: baselines, scored by their exact expectation.
        recognizers: class predictions, scored as benchmark "recognition" (top1, mean_class, mAP).
        resamples: draws of the bootstrap over videos.
        seed: of these draws.

    Raises:
        GymQAError: a benchmark without questions, predictions of a benchmark or question that is not given, or a model
            of a guesser's name.
    """
    rows = []
    taken = {run.label for run in runs} & {guesser.name for guesser in guessers}
    if taken:
        raise GymQAError(f"{taken.pop()} is the name of an exact row; evaluate that model under another --name")
    for name, questions in benchmarks.items():
        if not questions:
            raise GymQAError(f"benchmark {name} has no question; draw its questions again")
        rows += _question_rows(name, questions, [run for run in runs if name in run.predictions], resamples, seed)
        for guesser in guessers:
            worth, videos = group_scores(questions, guesser.expected(questions))
            interval = mean_interval(worth, videos, resamples, seed)
            rows.append(_row(guesser.name, "", name, ACCURACY, interval, len(worth), 1.0))
    unknown = {name for run in runs for name in run.predictions} - set(benchmarks)
    if unknown:
        raise GymQAError(f"there are predictions of {', '.join(sorted(unknown))} but no questions; give both")
    for recognizer in recognizers:
        rows += _recognition_rows(recognizer, resamples, seed)
    return rows


def _question_rows(
    name: str, questions: Sequence[Question], runs: Sequence[ModelRun], resamples: int, seed: int
) -> list[Row]:
    """A row a run, with its rank range among the main rows of its control."""
    rows, worths, rotated = [], [], list[Row]()
    for run in runs:
        points, answered = score(questions, run.predictions[name], name)
        worth, videos = group_scores(questions, points)
        interval = mean_interval(worth, videos, resamples, seed)
        row = _row(run.model, run.encoder, name, ACCURACY, interval, len(worth), answered)
        row = replace(row, control=run.control, n_frames=run.n_frames)
        rows.append(row)
        worths.append(worth)
        rotated += _rotation_rows(name, questions, run, row, resamples, seed)
    main = set(map(id, main_rows(rows)))
    for control in dict.fromkeys(row.control for row in rows):
        chosen = [spot for spot, row in enumerate(rows) if id(row) in main and row.control == control]
        if len(chosen) < 2:
            continue
        ranks = rank_ranges({str(spot): worths[spot] for spot in chosen}, videos, resamples=resamples, seed=seed)
        for spot in chosen:
            low, high = ranks[str(spot)]
            rows[spot] = replace(rows[spot], rank_low=low, rank_high=high)
    return rows + rotated


def _rotation_rows(
    name: str, questions: Sequence[Question], run: ModelRun, row: Row, resamples: int, seed: int
) -> list[Row]:
    """CircularEval and the average over rotations, where the run has them; `row` is that of its plain accuracy."""
    if name not in run.rotated:
        return []
    found = []
    for metric, scored in ((CIRCULAR, circular_scores), (ROTATED, rotation_averaged)):
        worth, videos = group_scores(questions, scored(questions, run.rotated[name]))
        one = mean_interval(worth, videos, resamples, seed)
        value, low, high = (round(number, _DECIMALS) for number in (one.value, one.low, one.high))
        found.append(replace(row, metric=metric, value=value, ci_low=low, ci_high=high))
    return found


def score(
    questions: Sequence[Question], predictions: Sequence[Prediction], benchmark: str = ""
) -> tuple[FloatArray, float]:
    """Return 1 or 0 for each question, float [n], and the share of questions that were answered.

    Raises:
        GymQAError: a prediction of no question here, of another clip, or two of one question.
    """
    by_id = {prediction.question_id: prediction for prediction in predictions}
    known = {question.id: question for question in questions}
    strange = [key for key, found in by_id.items() if key not in known or known[key].clip_id != found.clip_id]
    if strange or len(by_id) != len(predictions):
        what = f"for {strange[0]}, which it does not ask so" if strange else "with a question twice"
        raise GymQAError(f"benchmark {benchmark} has a prediction {what}; run the model on these questions again")
    choices = [by_id[question.id].choice if question.id in by_id else None for question in questions]
    points = [float(choice == question.answer) for choice, question in zip(choices, questions, strict=True)]
    return np.array(points, dtype=np.float64), float(np.mean([choice is not None for choice in choices]))


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
    return sorted(runs, key=lambda run: order[run.line])


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


def unanswered_items(
    benchmarks: Mapping[str, Sequence[Question]],
    runs: Sequence[ModelRun] = (),
    recognizers: Sequence[RecognizerRun] = (),
) -> list[Unanswered]:
    """Every clip that left something open, an item a reason, with the benchmarks and models it concerns."""
    items: dict[tuple[str, str], tuple[dict[str, None], dict[str, None]]] = {}  # dicts for ordered sets

    def note(clip: str, reason: str, benchmark: str, model: str) -> None:
        names, models = items.setdefault((clip, reason), ({}, {}))
        names[benchmark], models[model] = None, None

    for run in runs:
        for benchmark, predictions in run.predictions.items():
            by_id = {prediction.question_id: prediction for prediction in predictions}
            for question in benchmarks.get(benchmark, ()):
                found = by_id.get(question.id)
                if found is None or found.choice is None:
                    reason = "never asked" if found is None else found.error or "no reason given"
                    note(question.clip_id, reason, benchmark, run.label)
    for recognizer in recognizers:
        for clip, reason in recognizer.predictions.errors.items():
            note(clip, reason, RECOGNITION, recognizer.label)
    return [Unanswered(clip, reason, tuple(names), tuple(models)) for (clip, reason), (names, models) in items.items()]


def _row(model: str, encoder: str, benchmark: str, metric: str, interval: Interval, n: int, answered: float) -> Row:
    value, low, high = (round(number, _DECIMALS) for number in (interval.value, interval.low, interval.high))
    return Row(model, encoder, benchmark, metric, value, low, high, n, answered)


def _recognition_rows(run: RecognizerRun, resamples: int, seed: int) -> list[Row]:
    intervals = recognition_intervals(run.predictions, resamples, seed)
    n, answered = len(run.predictions.labels), float(run.predictions.answered.mean())
    return [
        _row(run.model, run.encoder, RECOGNITION, metric, interval, n, answered)
        for metric, interval in intervals.items()
    ]
