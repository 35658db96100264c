"""Precision, recall, F1 and average precision of each class, from a recognizer's saved predictions."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from eval.metrics.recognition import ClassPredictions


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class that has clips, or that a clip was taken for; a ratio of nothing is 0.

    `average_precision` is None where no clip is of the class; `n` counts its clips.
    """

    label: int
    precision: float
    recall: float
    f1: float
    average_precision: float | None
    n: int


def per_class(predictions: ClassPredictions) -> list[ClassScore]:
    """Every class that occurs among the labels or the predictions, by label; an unanswered clip lowers the recall."""
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
