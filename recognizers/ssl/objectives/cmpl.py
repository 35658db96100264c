"""Objective CMPL: cross-model pseudo-labelling with a narrower auxiliary network (CVPR'22, arXiv 2112.09690).

Kept: two networks of different capacity, both supervised on labelled clips; each is trained, on strong views, on the
other's confident pseudo-labels of weak views (threshold 0.8); the auxiliary one has a quarter of the primary's
channels, as in the paper's ResNet-50 with ResNet-50-1/4; only the primary one is the trained model.
Left out: the deeper or other auxiliary architectures of the ablations. The unlabelled loss weighs 1, as FixMatch's; the
threshold, the weight and the joint start of both networks are from memory, not checked against the paper.
"""

from dataclasses import replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.backbones.sefar import SeFARConfig
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.losses import class_loss
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.pseudo_label import PseudoLabels

WIDTH_DIVISOR = 4
"""The auxiliary network has 1 / WIDTH_DIVISOR of the channels."""


class CrossModel(Objective):
    """The auxiliary network: pseudo-labels for the student, and its own loss on labels and the student's pseudo-labels.

    L = CE(A(labelled), y) + ξ · unlabelled_weight · mean_i 1[max p_F(weak_i) ≥ threshold] · CE(A(strong_i), argmax p_F)
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        self.auxiliary = narrowed(config.model, WIDTH_DIVISOR).build()

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The auxiliary network's pseudo-labels instead of the student's."""
        return self.label(self.auxiliary, weak)

    def loss(self, views: StepViews) -> Tensor:
        """The auxiliary network's own loss."""
        if views.unlabelled is None:
            return F.cross_entropy(self.forward_view(self.auxiliary, views.labelled.view).logits, views.targets)
        labelled, strong = self.forward_views(self.auxiliary, views.labelled.view, views.unlabelled.own.view)
        teacher_prediction, algorithm = views.unlabelled.teacher_prediction, self.config.algorithm
        taught = class_loss(
            strong.logits, teacher_prediction, (teacher_prediction.confidence >= algorithm.threshold).float()
        )
        weight = views.xi * algorithm.unlabelled_weight
        return F.cross_entropy(labelled.logits, views.targets) + weight * taught


def narrowed(config: ModelConfig, factor: int) -> ModelConfig:
    """The same config with 1 / factor of the channels, or the next larger number that the family allows.

    Args:
        config: of the network; a SeFAR's width is `dim`, that of the other families `width`.
        factor: 2 or more.

    Raises:
        GymQAError: the family has no width, or allows no smaller one.
    """
    if isinstance(config, SeFARConfig):
        heads = max(1, config.heads // factor)
        dim = max(1, config.dim // factor // heads) * heads
        fusion = max(1, config.fusion_dim // factor)
        if dim >= config.dim:
            raise _too_narrow(config, "dim")
        return replace(config, dim=dim, heads=heads, fusion_dim=fusion, frozen_blocks=0)
    full = getattr(config, "width", None)
    if full is None:
        raise GymQAError(f"a {config.family} has no width that can be reduced; choose another recognizer")
    for width in range(max(1, full // factor), full):
        changes: dict[str, Any] = {"width": width}
        try:
            return replace(config, **changes)
        except GymQAError:  # some families allow multiples only
            continue
    raise _too_narrow(config, "width")


def _too_narrow(config: ModelConfig, name: str) -> GymQAError:
    return GymQAError(
        f"this {config.family} cannot be made narrower; give the model a larger {name}, or choose another algorithm"
    )
