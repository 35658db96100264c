"""Secondary analyses: controls, breakdowns, confusion, calibration, letters, question forms, paired comparisons.

All are JSON values for the page and leaderboard.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from eval.leaderboard.rows import score
from eval.leaderboard.schema import ACCURACY, NO_CONTROL, Line, ModelRun, Row, frame_rank, main_rows, main_runs
from eval.metrics.breakdown import breakdown
from eval.metrics.calibration import confidences, expected_calibration_error, position_bias, reliability
from eval.metrics.forms import BINARY, BINARY_BY_PROBABILITY, CIRCULAR, MULTIPLE_BINARY, ROTATED
from eval.metrics.minimal_pairs import group_scores
from eval.report.confusion import choice_confusion
from eval.report.control_sentences import Drop, sentences
from eval.stats.bootstrap import RESAMPLES, FloatArray, Interval
from eval.stats.comparison import Comparison, compare_all, difference_interval, minimum_detectable_difference
from gymqa.finegym.annotations import CLIP_ID, parse_clip_id
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.questions.schema import Prediction, Question

Items = list[dict[str, Any]]
Benchmarks = Mapping[str, Sequence[Question]]
_DECIMALS = 4


@dataclass(slots=True)
class Analyses:
    """JSON values of each analysis, every item with its `benchmark`; charts.js.j2 reads their fields.

    `comparisons` has every pair of models on a benchmark, `resolution` the smallest detectable difference there.
    """

    controls: Items = field(default_factory=list)
    frames: Items = field(default_factory=list)
    slices: Items = field(default_factory=list)
    confusions: Items = field(default_factory=list)
    reliability: Items = field(default_factory=list)
    letters: Items = field(default_factory=list)
    rotations: Items = field(default_factory=list)
    binaries: Items = field(default_factory=list)
    comparisons: Items = field(default_factory=list)
    resolution: dict[str, float] = field(default_factory=dict)

    def drawn(self) -> dict[str, Items]:
        """The analyses that the page's script draws, by name."""
        names = [one.name for one in fields(self) if one.name not in ("comparisons", "resolution")]
        return {name: getattr(self, name) for name in names}


def analyse(
    benchmarks: Benchmarks,
    runs: Sequence[ModelRun],
    rows: Sequence[Row],
    taxonomy: Taxonomy | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Analyses:
    """Compute all secondary analyses.

    Args:
        benchmarks: name -> questions.
        runs: all runs, with every control and number of frames.
        rows: their rows, from `build_rows`.
        taxonomy: of the questions, if any; names sets, and elements where no choice does.
        resamples: random splits (and resamples) of the videos, by which models are compared.
        seed: of the resampling.
    """
    found = Analyses(
        controls=_controls(benchmarks, runs, rows, resamples, seed),
        frames=_frames(rows),
        rotations=_rotations(rows),
        binaries=_binaries(rows),
    )
    plain = [run for run in main_runs(runs) if run.control == NO_CONTROL]
    for name, questions in benchmarks.items():
        asked = [run for run in plain if name in run.predictions]
        points = {run.label: score(questions, run.predictions[name], name)[0] for run in asked}
        if not asked:
            continue
        found.slices += _slices(name, questions, points, taxonomy)
        found.comparisons += _comparisons(name, questions, points, resamples, seed)
        found.resolution[name] = minimum_detectable_difference(*_group_scores(questions, points))
        for run in asked:
            predictions = run.predictions[name]
            found.reliability += _reliability(run.label, name, predictions)
            found.letters.append(_letters(run.label, name, questions, predictions))
            matrix = choice_confusion(run.label, name, questions, predictions)
            found.confusions += [matrix] if matrix else []
    return found


def _controls(
    benchmarks: Benchmarks, runs: Sequence[ModelRun], rows: Sequence[Row], resamples: int, seed: int
) -> Items:
    """For each model with controls: accuracy on untouched clips, loss under each control, and sentences on it.

    Both use one number of frames, for each control the largest evaluated with and without it; one item per number.
    """
    values = {(row.line, row.benchmark, row.n_frames): row for row in rows if row.metric == ACCURACY}
    shown = {(row.line, row.benchmark): row.n_frames for row in main_rows(values.values())}
    items, done = [], set[tuple[str, str, str]]()
    for run in _most_frames_first([run for run in runs if run.control == NO_CONTROL]):
        for name, predictions in run.predictions.items():
            under = [one for one in runs if _same_but_control(one, run) and name in one.predictions
                     and (run.label, name, one.control) not in done]  # fmt: skip
            if not under:
                continue
            done |= {(run.label, name, one.control) for one in under}
            questions, row = benchmarks[name], values[run.line, name, run.n_frames]
            before = score(questions, predictions, name)[0]
            drops = [_drop(one, name, questions, before, resamples, seed) for one in under]
            drops.sort(key=lambda drop: drop.order)
            chance = float(group_scores(questions, [1 / len(one.choices) for one in questions])[0].mean())
            most = run.n_frames == shown[run.line, name]
            label = run.label if most else f"{run.label}, {run.n_frames} frames"
            items.append({
                "benchmark": name, "model": label, **_ends(row.value, row.ci_low, row.ci_high),
                "drops": [{"control": drop.control, "value": _short(drop.value), "drop": _short(drop.loss.value),
                           "low": _short(drop.loss.low), "high": _short(drop.loss.high)} for drop in drops],
                "says": sentences(label, drops, at_chance=row.ci_low <= chance),
            })  # fmt: skip
    return items


def _most_frames_first(runs: Sequence[ModelRun]) -> list[ModelRun]:
    """The models in their order, each with its run of most frames first."""
    order = {label: index for index, label in enumerate(dict.fromkeys(run.label for run in runs))}
    return sorted(runs, key=lambda run: (order[run.label], -frame_rank(run.n_frames)))


def _same_but_control(one: ModelRun, plain: ModelRun) -> bool:
    return one.control != NO_CONTROL and (one.label, one.n_frames) == (plain.label, plain.n_frames)


def _drop(
    run: ModelRun, name: str, questions: Sequence[Question], plain: FloatArray, resamples: int, seed: int
) -> Drop:
    """The loss against `plain`, the scores [n] on untouched clips."""
    before, videos = group_scores(questions, plain)
    after, _ = group_scores(questions, score(questions, run.predictions[name], name)[0])
    return Drop(run.control, float(after.mean()), difference_interval(before, after, videos, resamples, seed))


def _frames(rows: Sequence[Row]) -> Items:
    """Accuracy by number of frames, for models with more than one."""
    points: dict[tuple[str, str], list[list[float]]] = {}
    for row in rows:
        if row.control == NO_CONTROL and row.n_frames is not None and row.metric == ACCURACY:
            point = [row.n_frames, _short(row.value), _short(row.ci_low), _short(row.ci_high)]
            points.setdefault((row.benchmark, row.line.label), []).append(point)
    return [{"benchmark": name, "model": label, "points": sorted(found)}
            for (name, label), found in points.items() if len(found) > 1]  # fmt: skip


def _rotations(rows: Sequence[Row]) -> Items:
    """For models evaluated under all rotations: plain accuracy, rotation average, and circular accuracy."""
    return [
        {"benchmark": name, "model": label, "cells": [cells[one] for one in (ACCURACY, ROTATED, CIRCULAR)]}
        for name, _, label, cells in _of_metric(CIRCULAR, rows)
    ]


def _binaries(rows: Sequence[Row]) -> Items:
    """Plain, binary and multiple-binary accuracy; from binary questions, else from the probabilities."""
    asked, by_probability = (
        {(name, line): (label, cells) for name, line, label, cells in _of_metric(metric, rows)}
        for metric in (BINARY, BINARY_BY_PROBABILITY)
    )
    found = []
    for (name, line), (label, cells) in (by_probability | asked).items():
        binary = BINARY if (name, line) in asked else BINARY_BY_PROBABILITY
        metrics = (ACCURACY, binary, MULTIPLE_BINARY)
        shown = [cells.get(metric) for metric in metrics]
        found.append({"benchmark": name, "model": label, "asked": binary == BINARY, "cells": shown})
    return found


def _of_metric(metric: str, rows: Sequence[Row]) -> list[tuple[str, Line, str, dict[str, list[float]]]]:
    """Benchmark, line and label of each model with this metric on untouched clips, and its values by metric.

    All have one number of frames, the largest of this metric; the label names it where the table of accuracies shows
    another one.
    """
    untouched = [row for row in rows if row.control == NO_CONTROL]
    main = {(row.benchmark, row.line): row.n_frames for row in main_rows(untouched) if row.metric == ACCURACY}
    found = []
    for chosen in (row for row in main_rows(untouched) if row.metric == metric):
        key, n_frames = (chosen.benchmark, chosen.line), chosen.n_frames
        same = [row for row in untouched if (row.benchmark, row.line, row.n_frames) == (*key, n_frames)]
        cells = {row.metric: [_short(row.value), _short(row.ci_low), _short(row.ci_high)] for row in same}
        named = n_frames is not None and main.get(key, n_frames) != n_frames
        label = f"{chosen.line.label}, {n_frames} frames" if named else chosen.line.label
        found.append((*key, label, cells))
    return found


def _slices(
    name: str, questions: Sequence[Question], points: Mapping[str, FloatArray], taxonomy: Taxonomy | None
) -> Items:
    """Accuracy breakdown: an item per facet, a row per value, a cell per model."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for index, one in enumerate(points.values()):
        for part in breakdown(questions, one, _lengths(questions), taxonomy):
            row = found.setdefault(part.facet, {}).setdefault(
                part.value, {"value": part.value, "n": part.n, "cells": [None] * len(points)}
            )
            row["cells"][index] = _triple(part.interval)
    return [{"benchmark": name, "facet": facet.replace("_", " "), "models": list(points), "rows": list(rows.values())}
            for facet, rows in found.items() if len(rows) > 1]  # fmt: skip


def _lengths(questions: Sequence[Question]) -> dict[str, float]:
    """Duration in seconds of the clips whose ids contain it, as FineGym's do."""
    clips = {question.clip_id for question in questions if CLIP_ID.fullmatch(question.clip_id)}
    ends = {clip: parse_clip_id(clip) for clip in clips}
    return {clip: float(one.action_end - one.action_start) for clip, one in ends.items()}


def _comparisons(
    name: str, questions: Sequence[Question], points: Mapping[str, FloatArray], resamples: int, seed: int
) -> Items:
    """Every pair of models of a benchmark, with difference and tests."""
    scores, videos = _group_scores(questions, points)
    return [_comparison(name, one) for one in compare_all(scores, videos, resamples=resamples, seed=seed)]


def _comparison(name: str, one: Comparison) -> dict[str, Any]:
    return {
        "benchmark": name,
        "first": one.first,
        "second": one.second,
        "difference": one.difference.value,
        "ci_low": one.difference.low,
        "ci_high": one.difference.high,
        "p_mcnemar": one.p_mcnemar,
        "p_bootstrap": one.p_bootstrap,
        "p_flip": one.p_flip,
        "p_holm": one.p_holm,
    }


def _group_scores(
    questions: Sequence[Question], points: Mapping[str, FloatArray]
) -> tuple[dict[str, FloatArray], list[str]]:
    """Group scores by model, and the video of each group."""
    found = {label: group_scores(questions, one) for label, one in points.items()}
    return {label: scores for label, (scores, _) in found.items()}, next(iter(found.values()))[1]


def _reliability(label: str, name: str, predictions: Sequence[Prediction]) -> Items:
    """Bins [confidence, accuracy, answers] of the answers with probabilities; empty where there are none."""
    bins = reliability(*confidences(predictions))
    drawn = [[_short(one.confidence), _short(one.accuracy), one.n] for one in bins]
    error = _short(expected_calibration_error(bins))
    return [{"benchmark": name, "model": label, "error": error, "bins": drawn}] if bins else []


def _letters(label: str, name: str, questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Fraction of answers and of right answers per letter, and the p-value of no position bias."""
    by_id = {one.question_id: one.choice for one in predictions}
    found = position_bias(questions, [by_id.get(question.id) for question in questions])
    answers, asked = max(1, found.answered), len(questions)
    letters = [[one.letter, _short(one.chosen / answers), _short(one.right / asked)] for one in found.letters]
    return {"benchmark": name, "model": label, "letters": letters, "p": _short(found.p)}


def _triple(interval: Interval) -> list[float]:
    return [_short(interval.value), _short(interval.low), _short(interval.high)]


def _ends(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": _short(value), "low": _short(low), "high": _short(high)}


def _short(number: float) -> float:
    """Rounded to the precision of a plot."""
    return round(float(number), _DECIMALS)
