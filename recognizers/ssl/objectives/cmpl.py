"""CMPL: a primary and a lighter auxiliary network teach each other (Xu et al., CVPR'22, arXiv 2112.09690).

Kept: two networks of different capacity, both supervised on labelled clips; each is taught, on strong views, the
classes of which the other is sure on weak ones (threshold 0.8); the auxiliary one has a quarter of the primary's
channels, as in the paper's ResNet-50 with ResNet-50-1/4; only the primary one is kept.
Left out: the deeper or other auxiliary architectures of the ablations. The unlabelled loss weighs 1, as FixMatch's; the
threshold, the weight and the two networks' starting together are from memory, not checked against the paper.
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

NARROWER = 4
"""The auxiliary network has 1 / 4 of the channels."""


class CrossModel(Objective):
    """The auxiliary network: it labels for the student, and learns from labels and from the student's labels.

    L = CE(A(labelled), y) + ξ · unlabelled_weight · mean_i 1[max p_F(weak_i) ≥ threshold] · CE(A(strong_i), argmax p_F)
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        self.auxiliary = narrowed(config.model, NARROWER).build()

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """What the auxiliary network thinks, whatever the student does."""
        return self.label(self.auxiliary, weak)

    def loss(self, views: StepViews) -> Tensor:
        """The auxiliary network's own loss."""
        if views.unlabelled is None:
            return F.cross_entropy(self.see(self.auxiliary, views.labelled.view).logits, views.targets)
        labelled, strong = self.see_all(self.auxiliary, views.labelled.view, views.unlabelled.own.view)
        believed, algorithm = views.unlabelled.believed, self.config.algorithm
        taught = class_loss(strong.logits, believed, (believed.confidence >= algorithm.threshold).float())
        weight = views.xi * algorithm.unlabelled_weight
        return F.cross_entropy(labelled.logits, views.targets) + weight * taught


def narrowed(config: ModelConfig, factor: int) -> ModelConfig:
    """The same network with 1 / factor of the channels, or the least number above that the family takes.

    Args:
        config: sizes; a SeFAR's width is `dim`, that of the other families `width`.
        factor: 2 or more.

    Raises:
        GymQAError: the family has no width, or takes none below this one.
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
        raise GymQAError(f"a {config.family} has no width that could be reduced; choose another recognizer")
    for width in range(max(1, full // factor), full):
        changes: dict[str, Any] = {"width": width}
        try:
            return replace(config, **changes)
        except GymQAError:  # some families take multiples only
            continue
    raise _too_narrow(config, "width")


def _too_narrow(config: ModelConfig, name: str) -> GymQAError:
    return GymQAError(
        f"this {config.family} cannot be made narrower; give the model a larger {name}, or choose another algorithm"
    )
