"""Weighting rule `confidence`: the first factor of SeFAR's adaptive regulation alone (one rule a file)."""

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.weighting.adaptive import AdaptiveRegulation


def make(algorithm: Algorithm, clips: int, classes: int) -> AdaptiveRegulation:
    """Make the algorithm's rule for this number of unlabelled clips and classes."""
    return AdaptiveRegulation(with_spread=False)
