"""Weighting rule `none`: every pseudo-label counts as 1, as in Mean Teacher (one rule a file)."""

import torch
from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.base import Stateless


class Unweighted(Stateless):
    """Every pseudo-label counts as one, however unsure (Mean Teacher)."""

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Ones [B]."""
        return torch.ones_like(labels.confidence)


def make(algorithm: Algorithm, clips: int, classes: int) -> Unweighted:
    """The rule of an algorithm, fresh, for so many unlabelled clips and classes."""
    return Unweighted()
