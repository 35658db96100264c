"""LTG: temporal gradients as a second view, with a network of their own (Xiao et al., CVPR'22, arXiv 2111.13241).

Kept: a second network of the same architecture that sees temporal gradients; both learn from labels, and on strong
views from pseudo-labels of both together (threshold 0.3); the colours' dense features are drawn to the gradients' by
their cosine, with the gradients' held fast; the two views of a clip are drawn together against other clips'
(temperature 0.5, three-layer projections to 512). The trained model is the colours' network alone.
Constants and the labels' average (of logits) are those of the authors' release (github.com/lambert-x/video-semisup,
its UCF101 settings); there each view's cross-entropies weigh ½, so its two other terms weigh twice as much here.
Left out: the alignment of three earlier blocks, for which the families have no common names: tokens (moments, frames or
elements) are aligned; batch normalisation in the projections and "precise BN". Gradients are of the sampled frames,
not of the video's neighbours, and a strong view's are those of its changed colours. In the warm-up the two further
terms see labelled clips only.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.losses import class_loss
from recognizers.ssl.objectives.base import Objective, Seen, StepViews
from recognizers.ssl.objectives.contrast import own_among_all
from recognizers.ssl.objectives.gradients import require_colours, temporal_gradient
from recognizers.ssl.pseudo_label import PseudoLabels, summarise

ALIGN_WEIGHT, CONTRAST_WEIGHT = 2.0, 2.0
TEMPERATURE, PROJECTED = 0.5, 512


class TemporalGradients(Objective):
    """The gradients' network, its alignment with the student, and the contrast between the two.

    L = CE(G(labelled), y) + ξ · unlabelled_weight · mean_i w_i · CE(G(strong_i), c_i) + 2 · align + 2 · contrast
    """

    copies = ("network",)

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_colours(config, "LTG")
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
        """All that is further to the student's own loss."""
        elements, unlabelled = self.config.model.elements, views.unlabelled
        shown = [views.labelled.view] + ([unlabelled.weak, unlabelled.own.view] if unlabelled else [])
        gradients = self.see_all(self.network, *(temporal_gradient(view, elements) for view in shown))
        colours = [views.labelled] + ([self.see(views.student, unlabelled.weak)] if unlabelled else [])
        total = F.cross_entropy(gradients[0].logits, views.targets)
        if unlabelled:
            taught = class_loss(gradients[2].logits, unlabelled.labels, unlabelled.weights)
            total = total + views.xi * self.config.algorithm.unlabelled_weight * taught
        seen_by_both = list(zip(colours, gradients, strict=False))
        return total + ALIGN_WEIGHT * self._alignment(seen_by_both) + CONTRAST_WEIGHT * self._contrast(seen_by_both)

    def _alignment(self, pairs: list[tuple[Seen, Seen]]) -> Tensor:
        """1 − cosine of the tokens, the gradients' held fast, over labelled and weak views."""
        colours, gradients = (torch.cat([pair[i].tokens for pair in pairs]) for i in (0, 1))
        return 1 - F.cosine_similarity(colours, gradients.detach(), dim=-1).mean()

    def _contrast(self, pairs: list[tuple[Seen, Seen]]) -> Tensor:
        """InfoNCE from colours to gradients and back, the mean of both."""
        colours = F.normalize(self.of_colours(torch.cat([pair[0].fused for pair in pairs])), dim=-1)
        gradients = F.normalize(self.of_gradients(torch.cat([pair[1].fused for pair in pairs])), dim=-1)
        there = own_among_all(colours / TEMPERATURE, gradients)
        return (there + own_among_all(gradients / TEMPERATURE, colours)) / 2


def projection(dim: int) -> nn.Module:
    """Three layers, to what is contrasted: [B, dim] -> [B, 512]."""
    first, second, last = nn.Linear(dim, PROJECTED), nn.Linear(PROJECTED, PROJECTED), nn.Linear(PROJECTED, PROJECTED)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)


def mean_of_logits(first: Tensor, second: Tensor) -> Tensor:
    """The softmax of the mean of the logits behind two softmax outputs [B, C]: their normalised geometric mean."""
    return ((first.clamp(min=1e-30).log() + second.clamp(min=1e-30).log()) / 2).softmax(-1)
