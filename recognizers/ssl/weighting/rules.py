"""Registry of weighting rules: the files of this folder, or the user's `package.module:make` (own file: no torch)."""

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gymqa.runtime.registry import Registry, Source

if TYPE_CHECKING:
    from recognizers.ssl.algorithms import Algorithm
    from recognizers.ssl.weighting.base import Weighting

_NOT_RULES = ("base", "rules")
WEIGHTINGS = Registry(
    "weighting rule",
    "docs/algorithms.md",
    {
        one.name: Source(f"recognizers.ssl.weighting.{one.name}:make")
        for one in pkgutil.iter_modules([str(Path(__file__).parent)])
        if one.name not in _NOT_RULES
    },
    parameters=("algorithm", "clips", "classes"),
)
"""Each rule has a function make(algorithm, clips, classes) -> Weighting."""


def make_weighting(algorithm: "Algorithm", clips: int, classes: int) -> "Weighting":
    """Make the algorithm's weighting rule for this number of unlabelled clips and classes."""
    make: Any = WEIGHTINGS.load(algorithm.weighting)
    rule: Weighting = make(algorithm, clips, classes)
    return rule
