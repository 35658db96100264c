"""Results become rows: one number each, with its interval; and what was left unanswered is listed with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eval.adapters.baselines import Guesser
from eval.groups import group_scores
from eval.metrics import ClassPredictions, recognition_intervals
from eval.statistics import RESAMPLES, FloatArray, Interval, mean_interval
from gymqa.errors import GymQAError
from gymqa.questions import Prediction, Question

RECOGNITION = "recognition"
_DECIMALS = 10  # takes the last bits' noise off, so that 1/4 is written as 0.25


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the leaderboard with its 95 % interval, all in [0, 1]; `encoder` is empty where there is none."""

    model: str
    encoder: str
    benchmark: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    answered_rate: float


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A model's answers: benchmark -> predictions."""

    model: str
    encoder: str
    predictions: Mapping[str, Sequence[Prediction]]

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
        GymQAError: a benchmark without questions, or predictions of a benchmark or question that is not given.
    """
    rows = []
    for name, questions in benchmarks.items():
        if not questions:
            raise GymQAError(f"benchmark {name} has no question; draw its questions again")
        scored = [(run.model, run.encoder, *score(questions, run.predictions[name], name))
                  for run in runs if name in run.predictions]  # fmt: skip
        scored += [(guesser.name, "", guesser.expected(questions), 1.0) for guesser in guessers]
        for model, encoder, points, answered in scored:
            worth, videos = group_scores(questions, points)
            interval = mean_interval(worth, videos, resamples, seed)
            rows.append(_row(model, encoder, name, "accuracy", interval, len(worth), answered))
    unknown = {name for run in runs for name in run.predictions} - set(benchmarks)
    if unknown:
        raise GymQAError(f"there are predictions of {', '.join(sorted(unknown))} but no questions; give both")
    for recognizer in recognizers:
        rows += _recognition_rows(recognizer, resamples, seed)
    return rows


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


def by_model(rows: Sequence[Row], column: str) -> list[tuple[str, str, dict[str, Row]]]:
    """Group rows as (model, encoder, cells by the Row field `column`), best first in the first column's value."""
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows:
        lines.setdefault((row.model, row.encoder), {})[getattr(row, column)] = row
    first = getattr(rows[0], column) if rows else ""

    def rank(cells: dict[str, Row]) -> float:
        return -cells[first].value if first in cells else 1.0

    found = [(model, encoder, cells) for (model, encoder), cells in lines.items()]
    return sorted(found, key=lambda line: rank(line[2]))


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
