"""Weighting rule `none`: every pseudo-label counts as 1, as in Mean Teacher (one rule a file)."""

import torch
from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.base import Stateless


class Unweighted(Stateless):
    """Weight 1 for every pseudo-label (Mean Teacher)."""

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Ones [B]."""
        return torch.ones_like(labels.confidence)


def make(algorithm: Algorithm, clips: int, classes: int) -> Unweighted:
    """Make the algorithm's rule for this number of unlabelled clips and classes."""
    return Unweighted()
