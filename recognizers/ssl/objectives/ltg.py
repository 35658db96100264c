"""Objective LTG: a second network on temporal gradients, aligned with the student (CVPR'22, arXiv 2111.13241).

Kept: a second network of the same architecture on temporal gradients; both are trained on labels, and on strong views
with pseudo-labels of both (threshold 0.3); the RGB network's dense features are aligned to the gradient network's by
cosine, with a stop-gradient on the latter; a contrastive loss between the two views of a clip (temperature 0.5,
three-layer projections to 512). The trained model is the RGB network alone.
Constants and the labels' average (of logits) are those of the authors' release (github.com/lambert-x/video-semisup,
its UCF101 settings); there each view's cross-entropies weigh ½, so its two other terms weigh twice as much here.
Left out: the alignment of three earlier blocks, for which the families have no common names: tokens (time steps, frames
or elements) are aligned; batch normalisation in the projections and "precise BN". Gradients are of the sampled frames,
not of the video's neighbours, and a strong view's are computed after its photometric operations. In the warm-up the
two further terms use labelled clips only.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.losses import class_loss
from recognizers.ssl.objectives.base import Objective, StepViews, ViewOutputs
from recognizers.ssl.objectives.contrast import info_nce
from recognizers.ssl.objectives.temporal_gradients import require_rgb, temporal_gradient
from recognizers.ssl.pseudo_label import PseudoLabels, summarise

ALIGN_WEIGHT, CONTRAST_WEIGHT = 2.0, 2.0
TEMPERATURE, PROJECTED = 0.5, 512


class TemporalGradients(Objective):
    """The gradient network, its alignment with the student, and the contrastive loss between the two.

    L = CE(G(labelled), y) + ξ · unlabelled_weight · mean_i w_i · CE(G(strong_i), c_i) + 2 · align + 2 · contrast
    """

    copies = ("network",)

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_rgb(config, "LTG")
        self.network = copy.deepcopy(student)
        self.of_colours = projection(student.head.in_features)
        self.of_gradients = projection(student.head.in_features)

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The softmax of the two networks' mean logits."""
        other = self.label(self.network, temporal_gradient(weak, self.config.model.elements))
        return summarise(mean_of_logits(labels.probabilities, other.probabilities).unsqueeze(0))

    def loss(self, views: StepViews) -> Tensor:
        """The gradient network's losses, alignment and contrast."""
        elements, unlabelled = self.config.model.elements, views.unlabelled
        inputs = [views.labelled.view] + ([unlabelled.weak, unlabelled.own.view] if unlabelled else [])
        gradients = self.forward_views(self.network, *(temporal_gradient(view, elements) for view in inputs))
        rgb = [views.labelled] + ([self.forward_view(views.student, unlabelled.weak)] if unlabelled else [])
        total = F.cross_entropy(gradients[0].logits, views.targets)
        if unlabelled:
            taught = class_loss(gradients[2].logits, unlabelled.labels, unlabelled.weights)
            total = total + views.xi * self.config.algorithm.unlabelled_weight * taught
        pairs = list(zip(rgb, gradients, strict=False))
        return total + ALIGN_WEIGHT * self._alignment(pairs) + CONTRAST_WEIGHT * self._contrast(pairs)

    def _alignment(self, pairs: list[tuple[ViewOutputs, ViewOutputs]]) -> Tensor:
        """1 − cosine of the tokens of labelled and weak views, with a stop-gradient on the gradient network."""
        rgb, gradients = (torch.cat([pair[i].tokens for pair in pairs]) for i in (0, 1))
        return 1 - F.cosine_similarity(rgb, gradients.detach(), dim=-1).mean()

    def _contrast(self, pairs: list[tuple[ViewOutputs, ViewOutputs]]) -> Tensor:
        """Symmetric InfoNCE between RGB and gradient features."""
        rgb = F.normalize(self.of_colours(torch.cat([pair[0].fused for pair in pairs])), dim=-1)
        gradients = F.normalize(self.of_gradients(torch.cat([pair[1].fused for pair in pairs])), dim=-1)
        forward = info_nce(rgb / TEMPERATURE, gradients)
        return (forward + info_nce(gradients / TEMPERATURE, rgb)) / 2


def projection(dim: int) -> nn.Module:
    """Three-layer projection head of the contrastive loss: [B, dim] -> [B, 512]."""
    first, second, last = nn.Linear(dim, PROJECTED), nn.Linear(PROJECTED, PROJECTED), nn.Linear(PROJECTED, PROJECTED)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


def mean_of_logits(first: Tensor, second: Tensor) -> Tensor:
    """The softmax of the mean of the logits behind two softmax outputs [B, C]: their normalised geometric mean."""
    return ((first.clamp(min=1e-30).log() + second.clamp(min=1e-30).log()) / 2).softmax(-1)
