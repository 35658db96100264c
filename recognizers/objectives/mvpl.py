"""MvPL: one model for colours and temporal gradients (Xiong et al., ICCV'21, arXiv 2104.00682).

Kept: the same network, head included, sees every view; pseudo-labels are the mean of its predictions on the weak
views (the paper's "aggregated view"); it learns from labels on all weak views and from pseudo-labels on all strong
ones; only colours are needed afterwards.
Left out: the third view, optical flow, which has two channels and would need a network that takes two or three; the
views' losses are added instead of averaged. Threshold 0.3 as in a re-implementation by others
(github.com/lambert-x/video-semisup, which has colours and gradients, too); the mean of probabilities is from memory,
the re-implementation averages logits. Gradients are of the sampled frames.
"""

import torch.nn.functional as F
from torch import Tensor

from recognizers.batches import ClipBatch
from recognizers.config import TrainConfig
from recognizers.losses import class_loss
from recognizers.objectives.base import Objective, StepViews
from recognizers.objectives.gradients import require_colours, temporal_gradient
from recognizers.pseudo_label import PseudoLabels, summarise
from recognizers.recognizer import Recognizer


class SharedViews(Objective):
    """The student's losses on the temporal gradients of what it sees.

    L = CE(F(∇ labelled), y) + ξ · unlabelled_weight · mean_i w_i · CE(F(∇ strong_i), c_i)
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_colours(config, "MvPL")

    def relabel(self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer) -> PseudoLabels:
        """The mean of the probabilities on colours and gradients."""
        other = self.label(labeller, temporal_gradient(weak, self.config.model.elements))
        return summarise(((labels.probabilities + other.probabilities) / 2).unsqueeze(0))

    def loss(self, views: StepViews) -> Tensor:
        """What the student makes of the gradients."""
        elements, unlabelled = self.config.model.elements, views.unlabelled
        shown = [views.labelled.view] + ([unlabelled.own.view] if unlabelled else [])
        gradients = self.see_all(views.student, *(temporal_gradient(view, elements) for view in shown))
        total = F.cross_entropy(gradients[0].logits, views.targets)
        if unlabelled is None:
            return total
        taught = class_loss(gradients[1].logits, unlabelled.labels, unlabelled.weights)
        return total + views.xi * self.config.algorithm.unlabelled_weight * taught
