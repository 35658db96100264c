"""Weighting rule `flexmatch`: class-wise thresholds that rise as a class is learnt (one rule a file)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from recognizers.distributed import all_gathered
from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels


class FlexMatch:
    """Class-wise confidence thresholds that grow with the learning status of the class (FlexMatch, arXiv 2110.08263).

    β_c = (clips last confidently given class c) / (the largest such count, clips not yet given any counted too), and
    the threshold of class c is T · β_c / (2 − β_c). Several processes count together: each weights its own shard
    of a batch, and all record the whole batch, so that they have the same thresholds.

    Args:
        clips: number of unlabelled clips.
        classes: number of classes.
        threshold: T.
    """

    def __init__(self, clips: int, classes: int, threshold: float = 0.95) -> None:
        self.threshold, self.classes = threshold, classes
        self.given = torch.full((clips,), classes)  # class last given to each clip; `classes` means none yet

    def __call__(self, labels: PseudoLabels, positions: Tensor) -> Tensor:
        """Weights [B], 0 or 1; the confident clips' classes are recorded afterwards."""
        counts = torch.bincount(self.given, minlength=self.classes + 1)
        beta = (counts[: self.classes] / counts.max()).to(labels.confidence.device)
        mask = labels.confidence >= self.threshold * (beta / (2 - beta))[labels.classes]
        sure = labels.confidence >= self.threshold
        gathered = all_gathered(torch.stack([positions, labels.classes, sure.long()], 1)).cpu()  # [B of all, 3]
        rows, classes, taken = gathered[:, 0], gathered[:, 1], gathered[:, 2].bool()
        self.given[rows[taken]] = classes[taken]
        return mask.float()

    def state_dict(self) -> dict[str, Tensor]:
        """The class last given to each clip."""
        return {"given": self.given}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the classes given."""
        self.given.copy_(state["given"])


def make(algorithm: Algorithm, clips: int, classes: int) -> FlexMatch:
    """Make the algorithm's rule for this number of unlabelled clips and classes."""
    return FlexMatch(clips, classes, algorithm.threshold)
