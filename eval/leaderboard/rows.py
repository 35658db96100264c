"""Leaderboard rows: accuracy with clustered intervals and rank ranges from runs; clips left unanswered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.adapters.baselines import Guesser
from eval.leaderboard.schema import ACCURACY, RECOGNITION, SINGLE, ModelRun, RecognizerRun, Row, main_rows
from eval.metrics.forms import Form, metric_units, scores_of
from eval.metrics.minimal_pairs import group_scores
from eval.metrics.recognition import recognition_intervals
from eval.stats.bootstrap import RESAMPLES, FloatArray, Interval, mean_interval
from eval.stats.comparison import rank_ranges
from gymqa.errors import GymQAError
from gymqa.questions.schema import Prediction, Question

_DECIMALS = 10  # removes floating-point noise, so that 1/4 is written as 0.25


def drop_drawn_guesses(runs: Sequence[ModelRun], guessers: Sequence[Guesser]) -> tuple[list[ModelRun], str]:
    """Leave out sampled answers of these guessers: the table has their exact rows.

    Returns:
        The other runs, and a sentence naming those left out; empty where there are none.
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
    """Score all runs, guessers and recognizers.

    Args:
        benchmarks: name -> its questions. A question without a prediction is unanswered, hence wrong; a minimal pair
            counts once, and is right where both its questions are.
        runs: models that answered questions, each on any of the benchmarks.
        guessers: baselines, scored by their expected value.
        recognizers: class predictions, scored as benchmark "recognition" (top1, mean_class, mAP).
        resamples: random splits (and resamples) of the videos, by which models are compared.
        seed: of the resampling.

    Raises:
        GymQAError: a benchmark without questions, predictions of an unknown benchmark or question, or a model with a
            guesser's name.
    """
    rows = []
    taken = {run.label for run in runs} & {guesser.name for guesser in guessers}
    if taken:
        raise GymQAError(f"{taken.pop()} is the name of an exact row; evaluate that model under another --name")
    for name, questions in benchmarks.items():
        if not questions:
            raise GymQAError(f"benchmark {name} has no question; draw its questions again")
        rows += _question_rows(name, questions, [run for run in runs if name in run.predictions], resamples, seed)
        for run in runs:
            rows += _form_rows(name, questions, run)
        for guesser in guessers:
            scores, videos = group_scores(questions, guesser.expected(questions))
            interval = mean_interval(scores, videos)
            rows.append(_row(guesser.name, "", name, ACCURACY, interval, len(scores), 1.0))
    unknown = {name for run in runs for name in (*run.predictions, *run.binaries)} - set(benchmarks)
    if unknown:
        raise GymQAError(f"there are predictions of {', '.join(sorted(unknown))} but no questions; give both")
    for recognizer in recognizers:
        rows += _recognition_rows(recognizer)
    return rows


def _question_rows(
    name: str, questions: Sequence[Question], runs: Sequence[ModelRun], resamples: int, seed: int
) -> list[Row]:
    """A row per run, with its rank range among the main rows of its control."""
    rows, scores_of_runs = [], []
    for run in runs:
        points, answered = score(questions, run.predictions[name], name)
        scores, videos = group_scores(questions, points)
        interval = mean_interval(scores, videos)
        row = _row(run.model, run.encoder, name, ACCURACY, interval, len(scores), answered)
        row = replace(row, control=run.control, n_frames=run.n_frames)
        rows.append(row)
        scores_of_runs.append(scores)
    main = set(map(id, main_rows(rows)))
    for control in dict.fromkeys(row.control for row in rows):
        chosen = [index for index, row in enumerate(rows) if id(row) in main and row.control == control]
        if len(chosen) < 2:
            continue
        ranks = rank_ranges(
            {str(index): scores_of_runs[index] for index in chosen}, videos, resamples=resamples, seed=seed
        )
        for index in chosen:
            low, high = ranks[str(index)]
            rows[index] = replace(rows[index], rank_low=low, rank_high=high)
    return rows


def _form_rows(name: str, questions: Sequence[Question], run: ModelRun) -> list[Row]:
    """Rows of a run in its other forms (rotated, binary), and of minimal pairs the single-question accuracy."""
    asked: dict[Form, Mapping[str, Sequence[Prediction]]]
    asked = {"plain": run.predictions, "rotated": run.rotated, "binaries": run.binaries}
    answers = {form: found[name] for form, found in asked.items() if name in found}
    scored = [
        (metric, *metric_units(metric, questions, points), answered)
        for metric, (points, answered) in scores_of(questions, answers).items()
    ]
    if "plain" in answers and any(question.group for question in questions):
        points, answered = score(questions, answers["plain"], name)
        scored.append((SINGLE, points, [question.video_id for question in questions], answered))
    rows = []
    for metric, scores, videos, answered in scored:
        interval = mean_interval(scores, videos)
        row = _row(run.model, run.encoder, name, metric, interval, len(scores), answered)
        rows.append(replace(row, control=run.control, n_frames=run.n_frames))
    return rows


def score(
    questions: Sequence[Question], predictions: Sequence[Prediction], benchmark: str = ""
) -> tuple[FloatArray, float]:
    """Return 1 (right) or 0 for each question, float [n], and the fraction of questions answered.

    Raises:
        GymQAError: a prediction of an unknown question or another clip, or two of one question.
    """
    by_id = {prediction.question_id: prediction for prediction in predictions}
    known = {question.id: question for question in questions}
    unknown = [key for key, found in by_id.items() if key not in known or known[key].clip_id != found.clip_id]
    if unknown or len(by_id) != len(predictions):
        what = f"for {unknown[0]}, which it does not ask so" if unknown else "with a question twice"
        raise GymQAError(f"benchmark {benchmark} has a prediction {what}; run the model on these questions again")
    choices = [by_id[question.id].choice if question.id in by_id else None for question in questions]
    points = [float(choice == question.answer) for choice, question in zip(choices, questions, strict=True)]
    return np.array(points, dtype=np.float64), float(np.mean([choice is not None for choice in choices]))


def _row(model: str, encoder: str, benchmark: str, metric: str, interval: Interval, n: int, answered: float) -> Row:
    value, low, high = (round(number, _DECIMALS) for number in (interval.value, interval.low, interval.high))
    return Row(model, encoder, benchmark, metric, value, low, high, n, answered)


def _recognition_rows(run: RecognizerRun) -> list[Row]:
    intervals = recognition_intervals(run.predictions)
    n, answered = len(run.predictions.labels), float(run.predictions.answered.mean())
    return [
        _row(run.model, run.encoder, RECOGNITION, metric, interval, n, answered)
        for metric, interval in intervals.items()
    ]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A clip that these models left unanswered on these benchmarks, and the reason."""

    clip_id: str
    reason: str
    benchmarks: tuple[str, ...]
    models: tuple[str, ...]


def unanswered_items(
    benchmarks: Mapping[str, Sequence[Question]],
    runs: Sequence[ModelRun] = (),
    recognizers: Sequence[RecognizerRun] = (),
) -> list[Unanswered]:
    """Every clip with unanswered questions, an item per reason, with the benchmarks and models concerned."""
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
