"""Top-1 and mean-class accuracy of predicted classes (own file: trainings need not wait for scikit-learn)."""

import numpy as np
from numpy.typing import ArrayLike


def accuracies(labels: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Top-1 and mean-class accuracy of predicted classes, in [0, 1].

    Args:
        labels: right classes, int [n], n >= 1.
        predicted: int [n]; -1 where there is no prediction, which is wrong.
    """
    of = np.asarray(labels, dtype=np.int64)
    right = (of == np.asarray(predicted)).astype(np.float64)
    counts = np.bincount(of)
    by_class = np.bincount(of, weights=right)[counts > 0] / counts[counts > 0]
    return {"top1": float(right.mean()), "mean_class": float(by_class.mean())}
