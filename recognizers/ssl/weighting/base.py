"""What a weighting rule is: pseudo-labels of a batch -> weights in [0, 1] (own file: every rule imports it)."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.ssl.weighting.rules import WEIGHTINGS


@runtime_checkable
class Weighting(Protocol):
    """A rule; what it has learnt so far is in its state, which goes into the checkpoint."""

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights [B] of a batch; `positions` [B] number the clips among the unlabelled ones."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state."""
        ...


class Stateless:
    """A rule without memory."""

    def state_dict(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to take up."""


def make_weighting(algorithm: Algorithm, clips: int, classes: int) -> Weighting:
    """The algorithm's weighting rule, fresh, for so many unlabelled clips and classes.

    Raises:
        GymQAError: a rule of the user's own does not fit.
    """
    return WEIGHTINGS.make(algorithm.weighting, Weighting, algorithm, clips, classes)  # type: ignore[type-abstract]
