"""Weighting rule `fixed`: 1 above a confidence threshold, else 0, as in FixMatch (one rule a file)."""

from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.base import Stateless


class FixedThreshold(Stateless):
    """1 where the teacher's confidence reaches the threshold, else 0 (FixMatch, arXiv 2001.07685)."""

    def __init__(self, threshold: float = 0.95) -> None:
        self.threshold = threshold

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights [B], 0 or 1."""
        return (labels.confidence >= self.threshold).float()


def make(algorithm: Algorithm, clips: int, classes: int) -> FixedThreshold:
    """Make the algorithm's rule for this number of unlabelled clips and classes."""
    return FixedThreshold(algorithm.threshold)
