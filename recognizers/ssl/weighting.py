"""How much each pseudo-label counts: a weight in [0, 1] a clip."""

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from recognizers.distributed import gathered
from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels


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


class FixedThreshold(Stateless):
    """1 where the teacher's confidence reaches the threshold, else 0 (FixMatch, arXiv 2001.07685)."""

    def __init__(self, threshold: float = 0.95) -> None:
        self.threshold = threshold

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights [B], 0 or 1."""
        return (labels.confidence >= self.threshold).float()


class Unweighted(Stateless):
    """Every pseudo-label counts as one, however unsure (Mean Teacher)."""

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Ones [B]."""
        return torch.ones_like(labels.confidence)


class AdaptiveRegulation(Stateless):
    """η = 2 σ(exp(p̄_c) − e) · 2 (σ(1 / (20 s)) − ½): near 1 for confident, steady pseudo-labels (SeFAR).

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


class FlexMatch:
    """A threshold for each class that grows with how well the class is learnt (FlexMatch, arXiv 2110.08263).

    β_c = (clips last confidently given class c) / (the largest such count, clips not yet given any counted too), and
    the threshold of class c is T · β_c / (2 − β_c). Several processes count together: each sees its own part of a
    batch, and all take down the whole batch, so that they hold the same thresholds.

    Args:
        clips: number of unlabelled clips.
        classes: number of classes.
        threshold: T.
    """

    def __init__(self, clips: int, classes: int, threshold: float = 0.95) -> None:
        self.threshold, self.classes = threshold, classes
        self.given = torch.full((clips,), classes)  # class last given to each clip; `classes` means none yet

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights [B], 0 or 1; the confident clips' classes are taken down afterwards."""
        counts = torch.bincount(self.given, minlength=self.classes + 1)
        beta = (counts[: self.classes] / counts.max()).to(labels.confidence.device)
        mask = labels.confidence >= self.threshold * (beta / (2 - beta))[labels.classes]
        sure = labels.confidence >= self.threshold
        seen = gathered(torch.stack([positions, labels.classes, sure.long()], 1)).cpu()  # [B of all, 3]
        places, classes, taken = seen[:, 0], seen[:, 1], seen[:, 2].bool()
        self.given[places[taken]] = classes[taken]
        return mask.float()

    def state_dict(self) -> dict[str, Tensor]:
        """The class last given to each clip."""
        return {"given": self.given}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take up the classes given."""
        self.given.copy_(state["given"])


def make_weighting(algorithm: Algorithm, clips: int, classes: int) -> Weighting:
    """The algorithm's weighting, fresh, for so many unlabelled clips and classes."""
    if algorithm.weighting == "flexmatch":
        return FlexMatch(clips, classes, algorithm.threshold)
    if algorithm.weighting == "fixed":
        return FixedThreshold(algorithm.threshold)
    if algorithm.weighting == "none":
        return Unweighted()
    return AdaptiveRegulation(with_spread=algorithm.weighting == "adaptive")
