"""Weighting rule `confidence`: SeFAR's adaptive weight without the spread factor, an ablation (one rule a file)."""

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.weighting.adaptive import AdaptiveRegulation


def make(algorithm: Algorithm, clips: int, classes: int) -> AdaptiveRegulation:
    """Make the algorithm's rule for this number of unlabelled clips and classes."""
    return AdaptiveRegulation(with_spread=False)
