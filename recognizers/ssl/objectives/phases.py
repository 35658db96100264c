"""Objective TACL: a clip's halves agree with its pseudo-label and each other (TCSVT'22; one objective a file).

Semi-Supervised Action Recognition From Temporal Augmentation Using Curriculum Learning, 10.1109/TCSVT.2022.3210271.
By its abstract and from memory: neither text nor code was at hand.
"""

from torch import Tensor

from recognizers.ssl.losses import class_loss
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.objectives.local_clips import temporal_parts
from recognizers.ssl.pseudo_label import PseudoLabels

PHASES = 2


class Phases(Objective):
    """Consistency of a clip's halves, at half speed, with its pseudo-label: mean_k L_un(phase_k) + ‖p_1 − p_2‖².

    Kept: coarse temporal augmentation at a constant speed (the halves) and fine one at a changing speed (the strong
    view's perturbation `uneven`), consistency with one pseudo-label and with each other (action consistency),
    and a curriculum of pseudo-labels: thresholds that grow with how well a class is learnt.
    Left out: its pair of a loose and a strict threshold; FlexMatch's rule replaces both. Weights 1, ours.
    """

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's unlabelled clips."""
        unlabelled = views.unlabelled
        if unlabelled is None:
            return views.labelled.logits.new_zeros(())
        phases = temporal_parts(unlabelled.weak, PHASES, self.config.model.elements)  # [B, 2, N, …]
        logits = self.forward_view(views.student, phases.flatten(0, 1)).logits.unflatten(0, (-1, PHASES))
        return views.xi * phases_loss(logits, unlabelled.labels, unlabelled.weights)


def phases_loss(logits: Tensor, labels: PseudoLabels, weights: Tensor) -> Tensor:
    """mean_k mean_i η_i · CE_ik(c_i) + mean_i ‖p_i1 − p_i2‖²; logits [B, 2, C], weights η [B]."""
    first, second = logits.unbind(1)
    consistency = (class_loss(first, labels, weights) + class_loss(second, labels, weights)) / PHASES
    return consistency + (first.softmax(-1) - second.softmax(-1)).square().sum(-1).mean()
