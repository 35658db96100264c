"""Weighting rule `flexmatch`: a threshold for each class that rises as the class is learnt (one rule a file)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from recognizers.distributed import gathered
from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels


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


def make(algorithm: Algorithm, clips: int, classes: int) -> FlexMatch:
    """The rule of an algorithm, fresh, for so many unlabelled clips and classes."""
    return FlexMatch(clips, classes, algorithm.threshold)
