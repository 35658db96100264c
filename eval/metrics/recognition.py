"""Recognition metrics from saved class predictions: top-k, mean-class, mAP, per-class scores, confusion; no torch.

A clip without probabilities (it could not be decoded) stays in every metric: wrong for accuracies, ranked last for mAP.
"""

import json
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_fscore_support

from eval.metrics.accuracy import accuracies
from eval.stats.bootstrap import FloatArray, IntArray, Interval, cluster_index, mean_interval, statistic_interval
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import video_of
from gymqa.questions.schema import probability_flaw


@dataclass(frozen=True, slots=True)
class ClassPredictions:
    """Class probabilities [n, C] of n clips; rows of clips without probabilities are -1, below any score."""

    clip_ids: tuple[str, ...]
    video_ids: tuple[str, ...]
    labels: IntArray
    probabilities: FloatArray
    errors: Mapping[str, str]

    @property
    def answered(self) -> IntArray:
        """1 where the clip has probabilities, else 0; int [n]."""
        return (self.probabilities[:, 0] >= 0).astype(np.int64)

    @property
    def predicted(self) -> IntArray:
        """Most probable class, the first of ties; -1 where the clip is unanswered; int [n]."""
        return np.where(self.answered == 1, self.probabilities.argmax(axis=1), -1).astype(np.int64)

    def by_clip(self) -> dict[str, FloatArray]:
        """Probabilities [C] of every answered clip, by clip id."""
        return {clip: row for clip, row in zip(self.clip_ids, self.probabilities, strict=True) if row[0] >= 0}


def read_class_predictions(path: Path) -> ClassPredictions:
    """Read JSON lines {"clip_id", "video_id", "label", "probabilities"}.

    `video_id` may be left out (it is in the clip id); `probabilities` may be null, with the reason in `error`.

    Raises:
        GymQAError: an invalid line, a duplicate clip, different numbers of classes, or an empty file.
    """
    records = list(_read_records(path))
    widths = {len(record["probabilities"]) for record in records if record["probabilities"] is not None}
    if len(widths) != 1:
        what = "no clip with probabilities" if not widths else f"probabilities of {sorted(widths)} classes"
        raise GymQAError(f"{path} holds {what}; predict again with one model")
    width = widths.pop()
    clips = tuple(record["clip_id"] for record in records)
    if len(set(clips)) != len(clips):
        raise GymQAError(f"{path} names a clip twice; remove it and predict again")
    labels = np.array([record["label"] for record in records], dtype=np.int64)
    if labels.min() < 0 or labels.max() >= width:
        raise GymQAError(f"{path} holds a label outside its {width} classes; predict again with the right setting")
    rows = [[-1.0] * width if record["probabilities"] is None else record["probabilities"] for record in records]
    return ClassPredictions(
        clips,
        tuple(record["video_id"] for record in records),
        labels,
        np.array(rows, dtype=np.float64),
        {record["clip_id"]: record["error"] for record in records if record["probabilities"] is None},
    )


def _read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the checked records of `path`, line by line."""
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    record = _record(json.loads(line))
                except (ValueError, KeyError, TypeError, AttributeError, GymQAError) as error:
                    raise GymQAError(f"{path}:{number}: not a prediction ({error!r}); predict again") from error
                yield record
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); run the prediction step first") from error


def _record(raw: dict[str, Any]) -> dict[str, Any]:
    """Validate one record and fill its defaults; ValueError for invalid probabilities."""
    clip = str(raw["clip_id"])
    if isinstance(raw["label"], bool) or not isinstance(raw["label"], int):
        raise ValueError("the label is not a whole number")
    scores = raw["probabilities"]
    if scores is not None:
        scores = array("d", [float(score) for score in scores])  # a quarter of the memory of a list
        if problem := probability_flaw(scores):
            raise ValueError(f"it has {problem}")
    video = raw.get("video_id") or video_of(clip)
    error = str(raw.get("error") or "no probabilities saved")
    return {"clip_id": clip, "video_id": str(video), "label": raw["label"], "probabilities": scores, "error": error}


def top1(predictions: ClassPredictions) -> float:
    """Fraction of clips whose most probable class is right."""
    return accuracies(predictions.labels, predictions.predicted)["top1"]


def top_k(predictions: ClassPredictions, k: int = 5) -> float:
    """Fraction of clips whose right class is among the k most probable ones; of ties, the first count."""
    order = np.argsort(-predictions.probabilities, axis=1, kind="stable")[:, :k]  # [n, k]
    right = (order == predictions.labels[:, None]).any(axis=1) & (predictions.answered == 1)
    return float(right.mean())


def mean_class(predictions: ClassPredictions) -> float:
    """Mean-class accuracy over the classes that have clips (FineGym's "Mean")."""
    return accuracies(predictions.labels, predictions.predicted)["mean_class"]


def mean_average_precision(predictions: ClassPredictions) -> float:
    """Macro mAP: scikit-learn's average precision of each class that has clips, averaged."""
    return float(
        np.mean(
            [
                average_precision_score(predictions.labels == label, predictions.probabilities[:, label])
                for label in np.unique(predictions.labels)
            ]
        )
    )


def micro_average_precision(predictions: ClassPredictions) -> float:
    """Micro mAP: average precision over all (clip, class) pairs, ranked together."""
    truth = predictions.labels[:, None] == np.arange(predictions.probabilities.shape[1])  # [n, C]
    return float(average_precision_score(truth.ravel(), predictions.probabilities.ravel()))


def summary(predictions: ClassPredictions) -> dict[str, float]:
    """All metrics by name, in [0, 1]: top1, top5, mean_class, mAP (macro), mAP_micro."""
    return {
        "top1": top1(predictions),
        "top5": top_k(predictions, 5),
        "mean_class": mean_class(predictions),
        "mAP": mean_average_precision(predictions),
        "mAP_micro": micro_average_precision(predictions),
    }


def confusion(predictions: ClassPredictions) -> IntArray:
    """Counts [C, C] of answered clips, true class down, predicted class across."""
    answered = predictions.answered == 1
    classes = np.arange(predictions.probabilities.shape[1])
    counts = confusion_matrix(predictions.labels[answered], predictions.predicted[answered], labels=classes)
    return np.asarray(counts, dtype=np.int64)


def recognition_intervals(predictions: ClassPredictions) -> dict[str, Interval]:
    """top1, mean_class and mAP by name, each with its interval clustered by video."""
    right, videos = (predictions.predicted == predictions.labels).astype(np.float64), predictions.video_ids
    by_class, ranked = mean_class(predictions), mean_average_precision(predictions)
    return {
        "top1": replace(mean_interval(right, videos), value=top1(predictions)),
        "mean_class": statistic_interval(by_class, weighted_mean_class(predictions, right), videos),
        "mAP": statistic_interval(ranked, _weighted_map(predictions), videos),
    }


def weighted_mean_class(predictions: ClassPredictions, right: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Mean-class accuracy as a function of cluster weights [r, G]; classes without a clip are left out."""
    cluster, n_clusters = cluster_index(predictions.video_ids)
    n_classes = predictions.probabilities.shape[1]
    cell = cluster * n_classes + predictions.labels
    shape, size = (n_clusters, n_classes), n_clusters * n_classes
    counts = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
    hits = np.bincount(cell, weights=right, minlength=size).reshape(shape)

    def statistic(weights: FloatArray) -> FloatArray:
        drawn = weights @ counts  # [r, C]
        recalls = (weights @ hits) / np.maximum(drawn, 1.0)
        return np.asarray(recalls.sum(axis=1) / (drawn > 0).sum(axis=1))

    return statistic


def _weighted_map(predictions: ClassPredictions) -> Callable[[FloatArray], FloatArray]:
    """Macro mAP as a function of cluster weights [r, G], ties ranked together as scikit-learn does.

    Precision at a positive clip p needs only the number of clips and of positives that score at least as high. Both
    are counted once per cluster, [G, P]; weighting is then a matrix product instead of a new sort.
    """
    cluster, _ = cluster_index(predictions.video_ids)
    order = np.argsort(cluster, kind="stable")
    starts = np.unique(cluster[order], return_index=True)[1]
    parts = []
    for label in np.unique(predictions.labels):
        scores = predictions.probabilities[order, label]  # [n]
        positive = predictions.labels[order] == label  # [n]
        above = scores[:, None] >= scores[positive][None, :]  # [n, P]
        everyone = np.add.reduceat(above.astype(np.float32), starts, axis=0)  # [G, P]
        hits = np.add.reduceat((above & positive[:, None]).astype(np.float32), starts, axis=0)  # [G, P]
        parts.append((cluster[order][positive], everyone, hits))

    def statistic(weights: FloatArray) -> FloatArray:
        drawn = weights.astype(np.float32)  # counts stay exact below 2^24
        total, present = np.zeros(len(drawn)), np.zeros(len(drawn))
        for owner, everyone, hits in parts:
            weight = drawn[:, owner]  # [r, P]
            precision = (drawn @ hits) / np.maximum(drawn @ everyone, 1.0)  # [r, P]
            mass = weight.sum(axis=1)
            total += (weight * precision).sum(axis=1) / np.maximum(mass, 1.0)
            present += mass > 0
        return np.asarray(total / present)

    return statistic


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Scores of one class that occurs among labels or predictions; 0 where a ratio is undefined.

    `average_precision` is None where the class has no clip; `n` counts its clips.
    """

    label: int
    precision: float
    recall: float
    f1: float
    average_precision: float | None
    n: int


def per_class(predictions: ClassPredictions) -> list[ClassScore]:
    """Scores of every class among labels or predictions, by label; an unanswered clip lowers the recall."""
    occurring = np.unique(np.concatenate([predictions.labels, predictions.predicted[predictions.answered == 1]]))
    precision, recall, f1, counts = precision_recall_fscore_support(
        predictions.labels, predictions.predicted, labels=occurring, zero_division=0.0
    )
    return [
        ClassScore(
            int(label), float(precision[i]), float(recall[i]), float(f1[i]), _ap(predictions, label), int(counts[i])
        )
        for i, label in enumerate(occurring)
    ]


def _ap(predictions: ClassPredictions, label: int) -> float | None:
    truth = predictions.labels == label
    return float(average_precision_score(truth, predictions.probabilities[:, label])) if truth.any() else None
