"""`gymqa metrics`: score saved predictions (answers, class probabilities or temporal segments) with intervals."""

import json as json_module
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from eval.leaderboard.rows import score
from eval.metrics.calibration import expected_calibration_error, reliability
from eval.metrics.columns import PredictionColumns, read_columns
from eval.metrics.forms import Form, form_of, metric_units, scores_of
from eval.metrics.localization import average_map, map_at_tiou, read_segments
from eval.metrics.recognition import confusion, per_class, read_class_predictions, recognition_intervals, summary
from eval.run.question_files import answered_file, benchmark_of
from eval.stats.bootstrap import mean_interval
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import Prediction, Question


def metrics(
    file: Path, truth: Path | None = None, questions: Path | None = None, classes: bool = False, json: bool = False
) -> None:
    """Score a file of predictions, with 95 % intervals by jackknife over videos.

    Class probabilities of `gymqa predict`: Top-1, Top-5, mean-class accuracy and mAP (macro, micro). Answers of `gymqa
    evaluate`: accuracy, fraction answered and calibration error of each benchmark; minimal pairs, rotations and binary
    questions are scored individually, and with --questions also as groups. Temporal segments, with --truth: mAP at
    temporal IoU of 0.5 to 0.95.

    Args:
        file: predictions, one JSON object per line.
        truth: the true segments, {"video_id", "label", "start", "end"} per line; those of `file` also have a "score".
        questions: the questions that `file` answers, or a folder with their file; adds group scores: minimal pairs with
            both questions right, all rotations right and their average, all binary questions right and their average.
        classes: also print precision, recall, F1 and average precision of each class.
        json: print JSON, with the classes' scores and the confusion matrix.
    """
    found = segment_metrics(file, truth) if truth is not None else _by_kind(file)
    if questions is not None:
        found["metrics"] |= group_metrics(answered_file(questions, file).questions, load_predictions(file))
    if json:
        print(json_module.dumps(found, indent=2))
        return
    for name, value in found["metrics"].items():
        print(f"{name:<24} {_cell(value)}")
    if classes:
        print(f"{'class':>5} {'clips':>6} {'precision':>9} {'recall':>7} {'F1':>6} {'AP':>6}")
        for one in found.get("classes", []):
            ap = "–" if one["average_precision"] is None else f"{100 * one['average_precision']:.1f}"
            rates = f"{100 * one['precision']:>9.1f} {100 * one['recall']:>7.1f} {100 * one['f1']:>6.1f}"
            print(f"{one['label']:>5} {one['n']:>6} {rates} {ap:>6}")


def _by_kind(file: Path) -> dict[str, Any]:
    """Score class probabilities or answers, depending on the first line."""
    try:
        with file.open(encoding="utf-8") as lines:
            first = json_module.loads(lines.readline(1 << 24))
    except (OSError, ValueError, RecursionError) as error:
        raise GymQAError(f"{file} does not start with a line of JSON ({error}); give a predictions file") from error
    keys = set(first) if isinstance(first, dict) else set()
    if "question_id" in keys:
        return answer_metrics(read_columns(file))
    if {"clip_id", "label"} <= keys:
        return class_metrics(file)
    if {"start", "end"} <= keys:
        raise GymQAError(f"{file} holds segments; name the true ones with --truth")
    raise GymQAError(f"{file} is not a predictions file; give one of gymqa predict or gymqa evaluate")


def class_metrics(file: Path) -> dict[str, Any]:
    """Metrics of class probabilities with intervals if available, scores of the classes, confusion matrix."""
    predictions = read_class_predictions(file)
    intervals = {name: asdict(one) for name, one in recognition_intervals(predictions).items()}
    return {
        "n": len(predictions.labels),
        "metrics": {"answered": float(predictions.answered.mean()), **summary(predictions), **intervals},
        "classes": [asdict(one) for one in per_class(predictions)],
        "confusion": confusion(predictions).tolist(),
    }


def answer_metrics(columns: PredictionColumns) -> dict[str, Any]:
    """Accuracy, fraction answered and calibration error of each benchmark."""
    found: dict[str, Any] = {}
    names = np.array(columns.video_names, dtype=np.str_)
    for index, benchmark in enumerate(columns.benchmark_names):
        inside = columns.benchmark == index
        interval = mean_interval(columns.points[inside], names[columns.video[inside]])
        found[benchmark] = asdict(interval)
        found[f"{benchmark} answered"] = float(columns.answered[inside].mean())
        confident = inside & ~np.isnan(columns.confidence)
        if confident.any():
            bins = reliability(columns.confidence[confident].clip(0, 1), columns.points[confident])
            found[f"{benchmark} ECE"] = expected_calibration_error(bins)
    return {"n": len(columns.choice), "metrics": found}


def group_metrics(questions: Sequence[Question], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Scores of groups of answers with intervals: minimal pairs, rotations, binary questions.

    Raises:
        GymQAError: the answers are to other questions, or there are no groups.
    """
    name = benchmark_of(questions, "questions")
    answers: dict[Form, list[Prediction]] = {}
    for one in predictions:
        answers.setdefault(form_of(one.question_id), []).append(one)
    if "rotated" in answers:  # the first rotation of a question is the question itself
        answers["rotated"] = [one for one in predictions if form_of(one.question_id) != "binaries"]
    scores = {metric: points for metric, (points, _) in scores_of(questions, answers).items()}
    if "plain" in answers:
        points = score(questions, answers["plain"], name)[0]
        scores |= {"pairs": points} if any(question.group for question in questions) else {}
    if not scores:
        raise GymQAError(
            "these answers have no pairs, rotations, binary questions or probabilities; leave --questions out"
        )
    intervals = {metric: mean_interval(*metric_units(metric, questions, points)) for metric, points in scores.items()}
    return {f"{name} {metric.replace('_', ' ')}": asdict(found) for metric, found in intervals.items()}


def segment_metrics(file: Path, truth: Path) -> dict[str, Any]:
    """Mean average precision at each temporal IoU threshold and on average."""
    true, detections = read_segments(truth), read_segments(file)
    by_threshold = map_at_tiou(true, detections)
    named = {f"mAP@{threshold:g}": value for threshold, value in by_threshold.items()}
    return {"n": len(detections), "metrics": {**named, "mAP average": average_map(by_threshold)}}


def _cell(value: float | dict[str, float]) -> str:
    """A fraction in per cent, with its interval if it has one."""
    if not isinstance(value, dict):
        return f"{100 * value:.1f} %"
    return f"{100 * value['value']:.1f} % [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"


COMMAND = metrics
