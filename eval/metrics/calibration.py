"""Position bias of answer letters (RStd, score test), and calibration: reliability diagram and ECE.

Sources: Zheng et al. 2024, "Large Language Models Are Not Robust Multiple Choice Selectors" (the spread of the recall
by letter, RStd); the test is a score test of the wrong answers, in which only the position tells letters apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from eval.stats.bootstrap import FloatArray
from gymqa.questions.schema import LETTERS, Prediction, Question


@dataclass(frozen=True, slots=True)
class LetterUse:
    """Counts of one letter: right, chosen, and its recall (None where it is never right).

    `chosen_wrong` counts wrong answers with this letter, `expected_wrong` their expectation without position bias.
    """

    letter: str
    right: int
    chosen: int
    recall: float | None
    chosen_wrong: int
    expected_wrong: float


@dataclass(frozen=True, slots=True)
class PositionBias:
    """Position bias over the letters of a benchmark.

    `recall_spread` is the standard deviation of their recalls, in [0, 0.5]; `p` is the p-value of no bias among wrong
    answers, by `chi_square`; 1 where no wrong answer could show a preference.
    """

    letters: tuple[LetterUse, ...]
    answered: int
    recall_spread: float
    chi_square: float
    p: float


def position_bias(questions: Sequence[Question], choices: Sequence[int | None]) -> PositionBias:
    """Test whether wrong answers prefer a letter.

    Without bias every wrong letter is equally probable, since the order of the choices was drawn. The excess over
    that, normalised by its covariance, is chi-square with one degree of freedom less than there are letters.

    Args:
        questions: [n].
        choices: [n], chosen index, None where unanswered.

    Raises:
        ValueError: choices and questions differ in number.
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
    """Chi-square statistic of an excess [L] with covariance [L, L], and its p-value."""
    if not len(excess):
        return 0.0, 1.0
    freedom = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if freedom == 0:
        return 0.0, 1.0
    statistic = float(excess @ np.linalg.pinv(covariance, hermitian=True) @ excess)
    return statistic, float(chdtrc(freedom, statistic))


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers with confidence in (low, high], in the first bin from 0: number, mean confidence, accuracy."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def reliability(
    confidence: Sequence[float] | FloatArray, right: Sequence[float] | FloatArray, bins: int = 15
) -> list[Bin]:
    """Reliability diagram: non-empty bins of equal width over [0, 1].

    Args:
        confidence: [n] in [0, 1], the probability of the answer given.
        right: [n], 1 where it is right, else 0.
        bins: number of bins; 15 as in the paper.

    Raises:
        ValueError: different lengths, a confidence outside [0, 1], or no bin.
    """
    sure, hit = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if len(sure) != len(hit) or bins < 1 or not ((sure >= 0) & (sure <= 1)).all():
        raise ValueError(f"{len(sure)} confidences in [0, 1] for {len(hit)} answers in {bins} bins")
    bin_of = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    found = []
    for index in np.unique(bin_of):
        inside = bin_of == index
        means = float(sure[inside].mean()), float(hit[inside].mean())
        found.append(Bin(index / bins, (index + 1) / bins, int(inside.sum()), *means))
    return found


def expected_calibration_error(bins: Sequence[Bin]) -> float:
    """ECE: mean absolute difference of accuracy and confidence over the answers, in [0, 1]; 0 without answers."""
    total = sum(one.n for one in bins)
    return sum(one.n * abs(one.accuracy - one.confidence) for one in bins) / total if total else 0.0


def confidences(predictions: Sequence[Prediction]) -> tuple[FloatArray, FloatArray]:
    """Probability of each answer and whether it is right, [m] each; answers without probabilities are left out."""
    known = [(one.probabilities[one.choice], one.choice == one.answer) for one in predictions
             if one.choice is not None and one.probabilities is not None]  # fmt: skip
    found = np.array(known, dtype=np.float64).reshape(-1, 2)
    return np.clip(found[:, 0], 0.0, 1.0), found[:, 1]
