"""Protocol of weighting rules: pseudo-labels of a batch -> weights in [0, 1] (own file: every rule imports it)."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.rules import WEIGHTINGS


@runtime_checkable
class Weighting(Protocol):
    """A weighting rule; its state is saved in checkpoints."""

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights [B] of a batch; `positions` [B] index the clips among the unlabelled ones."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """State to be saved in a checkpoint."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore a saved state."""
        ...


class Stateless:
    """Base class of rules without state."""

    def state_dict(self) -> dict[str, Tensor]:
        """An empty state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to restore."""


def make_weighting(algorithm: Algorithm, clips: int, classes: int) -> Weighting:
    """Make the algorithm's weighting rule for this number of unlabelled clips and classes.

    Raises:
        GymQAError: a rule of the user's own does not fit.
    """
    return WEIGHTINGS.make(algorithm.weighting, Weighting, algorithm, clips, classes)  # type: ignore[type-abstract]
