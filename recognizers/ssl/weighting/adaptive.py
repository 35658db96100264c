"""Weighting rule `adaptive`: SeFAR's adaptive regulation by confidence and spread (one rule a file)."""

import math

import torch
from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.base import Stateless


class AdaptiveRegulation(Stateless):
    """η = 2 σ(exp(p̄_c) − e) · 2 (σ(1 / (20 s)) − ½): near 1 for confident pseudo-labels of small spread (SeFAR).

    Args:
        with_spread: False leaves the second factor out.
    """

    def __init__(self, with_spread: bool = True) -> None:
        self.with_spread = with_spread

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights η [B]."""
        confident = 2 * torch.sigmoid(labels.confidence.exp() - math.e)
        if not self.with_spread:
            return confident
        return confident * 2 * (torch.sigmoid(1 / (20 * labels.spread)) - 0.5)


def make(algorithm: Algorithm, clips: int, classes: int) -> AdaptiveRegulation:
    """Make the algorithm's rule for this number of unlabelled clips and classes."""
    return AdaptiveRegulation()
