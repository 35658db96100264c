"""Whether a model is right as often as it is sure: reliability by bins of confidence.

Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.stats.bootstrap import FloatArray
from gymqa.questions.schema import Prediction


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers with a confidence in (low, high], the first bin's from 0 on: number, mean confidence, accuracy."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def reliability(
    confidence: Sequence[float] | FloatArray, right: Sequence[float] | FloatArray, bins: int = 15
) -> list[Bin]:
    """Bins of equal width over [0, 1]; empty ones are left out.

    Args:
        confidence: [n] in [0, 1], the probability of the answer that was given.
        right: [n], 1 where it was right, else 0.
        bins: how many; 15 as in the paper.

    Raises:
        ValueError: lengths that differ, a confidence outside [0, 1], or no bin.
    """
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if len(sure) != len(hit) or bins < 1 or not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"{len(sure)} confidences in [0, 1] for {len(hit)} answers in {bins} bins")
    place = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    found = []
    for index in np.unique(place):
        inside = place == index
        means = float(sure[inside].mean()), float(hit[inside].mean())
        found.append(Bin(index / bins, (index + 1) / bins, int(inside.sum()), *means))
    return found


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """Mean distance of accuracy and confidence over the answers, in [0, 1]; 0 without answers."""
    total = sum(one.n for one in bins)
    return sum(one.n * abs(one.accuracy - one.confidence) for one in bins) / total if total else 0.0


def confidences(predictions: Sequence[Prediction]) -> tuple[FloatArray, FloatArray]:
    """The probability of each answer, and whether it was right, [m] each; those without probabilities are left out."""
    known = [(one.probabilities[one.choice], one.choice == one.answer) for one in predictions
             if one.choice is not None and one.probabilities is not None]  # fmt: skip
    found = np.array(known, dtype=np.float64).reshape(-1, 2)
    return np.clip(found[:, 0], 0.0, 1.0), found[:, 1]
