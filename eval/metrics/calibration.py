"""Position bias: whether a model prefers a letter, whatever stands there.

Sources: Zheng et al. 2024, "Large Language Models Are Not Robust Multiple Choice Selectors" (the spread of the recall
by letter, RStd); the test is a score test of the wrong answers, in which nothing but the position tells letters apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from eval.stats.bootstrap import FloatArray
from gymqa.questions.schema import LETTERS, Prediction, Question


@dataclass(frozen=True, slots=True)
class LetterUse:
    """One letter: how often it is right, how often chosen, and how often chosen where it is right (None: never right).

    `chosen_wrong` counts the wrong answers that are this letter, `expected_wrong` those that an even hand would give.
    """

    letter: str
    right: int
    chosen: int
    recall: float | None
    chosen_wrong: int
    expected_wrong: float


@dataclass(frozen=True, slots=True)
class PositionBias:
    """All letters of a benchmark.

    `recall_spread` is the standard deviation of their recalls, in [0, 0.5]; `p` is that wrong answers fall on letters
    evenly, by `chi_square`; 1 where no wrong answer could show a preference.
    """

    letters: tuple[LetterUse, ...]
    answered: int
    recall_spread: float
    chi_square: float
    p: float


def position_bias(questions: Sequence[Question], choices: Sequence[int | None]) -> PositionBias:
    """Compare the letters that were chosen with those that are right.

    Under no bias a wrong answer is any wrong letter with equal chance, since the order of the choices was drawn. The
    difference to that, over its covariance, is chi-square with one degree of freedom less than there are letters.

    Args:
        questions: [n].
        choices: [n], the index that was chosen, None where unanswered.

    Raises:
        ValueError: not as many choices as questions.
    """
    n_letters = max((len(question.choices) for question in questions), default=0)
    right, chosen, hits, wrong = (np.zeros(n_letters) for _ in range(4))
    expected, covariance = np.zeros(n_letters), np.zeros((n_letters, n_letters))
    for question, choice in zip(questions, choices, strict=True):
        right[question.answer] += 1
        if choice is None:
            continue
        chosen[choice] += 1
        if choice == question.answer:
            hits[choice] += 1
            continue
        wrong[choice] += 1
        even = np.zeros(n_letters)
        even[: len(question.choices)] = 1 / (len(question.choices) - 1)
        even[question.answer] = 0.0
        expected += even
        covariance += np.diag(even) - np.outer(even, even)
    statistic, p = _score_test(wrong - expected, covariance)
    recalls = hits[right > 0] / right[right > 0]
    uses = [
        LetterUse(LETTERS[i], int(right[i]), int(chosen[i]), float(hits[i] / right[i]) if right[i] else None,
                  int(wrong[i]), float(expected[i]))
        for i in range(n_letters)
    ]  # fmt: skip
    spread = float(recalls.std()) if len(recalls) else 0.0
    return PositionBias(tuple(uses), int(chosen.sum()), spread, statistic, p)


def _score_test(excess: FloatArray, covariance: FloatArray) -> tuple[float, float]:
    """Chi-square of an excess [L] with its covariance [L, L], and the p of a larger one."""
    if not len(excess):
        return 0.0, 1.0
    freedom = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if freedom == 0:
        return 0.0, 1.0
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    return statistic, float(chdtrc(freedom, statistic))


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
