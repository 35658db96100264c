"""Weighting rules by name: files of this folder, or `package.module:make` of the user's own (own file: no torch)."""

import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gymqa.runtime.registry import Registry

if TYPE_CHECKING:
    from recognizers.ssl.algorithms import Algorithm
    from recognizers.ssl.weighting.base import Weighting


class WeightingMaker(Protocol):
    """Signature of a rule's `make` function."""

    def __call__(self, algorithm: "Algorithm", clips: int, classes: int) -> "Weighting":
        """Make the rule for this number of unlabelled clips and classes."""


_FILES = (one.name for one in pkgutil.iter_modules([str(Path(__file__).parent)]) if one.name not in ("base", "rules"))
_OURS = {name: f"recognizers.ssl.weighting.{name}:make" for name in _FILES}
WEIGHTINGS = Registry("weighting rule", "docs/algorithms.md", _OURS, WeightingMaker)
"""Names as in `Algorithm.weighting`."""
