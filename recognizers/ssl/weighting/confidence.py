"""Weighting rule `confidence`: the first factor of SeFAR's adaptive regulation alone (one rule a file)."""

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.weighting.adaptive import AdaptiveRegulation


def make(algorithm: Algorithm, clips: int, classes: int) -> AdaptiveRegulation:
    """The rule of an algorithm, fresh, for so many unlabelled clips and classes."""
    return AdaptiveRegulation(with_spread=False)
