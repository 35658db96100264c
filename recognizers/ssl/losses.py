"""Losses of a semi-supervised step: ramp ξ, consistency losses, and L = L_sup + ξ (w_un · L_un + w_mix · L_mix)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from recognizers.ssl.algorithms import Algorithm
from recognizers.ssl.pseudo_label import PseudoLabels


def ramp(epoch: int, warm_up: int, epochs: int) -> float:
    """ξ = sin(π/2 · (epoch + 1 − warm_up) / (epochs − warm_up)), 0 during the warm-up; epochs count from 0 (SeFAR)."""
    if epoch < warm_up:
        return 0.0
    return math.sin(math.pi / 2 * (epoch + 1 - warm_up) / (epochs - warm_up))


def class_loss(logits: Tensor, labels: PseudoLabels, weights: Tensor) -> Tensor:
    """L_un = mean_i η_i · CE(student_i, c_i), hard labels (FixMatch, SeFAR); logits [B, C], weights [B]."""
    return (weights * F.cross_entropy(logits, labels.classes, reduction="none")).mean()


def distance_loss(logits: Tensor, targets: Tensor, weights: Tensor, compare_logits: bool = False) -> Tensor:
    """mean_i w_i · ‖softmax(student_i) − target_i‖², the sum over classes (Mean Teacher's L_un, TokenMix's L_mix).

    Args:
        logits: the student's [B, C].
        targets: probabilities [B, C].
        weights: [B].
        compare_logits: compare raw logits with the targets, as SeFAR's release does.
    """
    predicted = logits if compare_logits else logits.softmax(-1)
    return (weights * (predicted - targets).square().sum(-1)).mean()


def unlabelled_loss(algorithm: Algorithm, logits: Tensor, labels: PseudoLabels, weights: Tensor) -> Tensor:
    """L_un of the algorithm; logits [B, C], weights [B]."""
    if algorithm.consistency == "squared":
        return distance_loss(logits, labels.probabilities, weights)
    return class_loss(logits, labels, weights)


@dataclass(frozen=True, slots=True)
class StepLoss:
    """The loss of one step and its parts, all scalars; unlabelled parts are 0 without unlabelled clips.

    `terms` are the losses of the algorithm's objectives, by name.
    """

    total: Tensor
    supervised: Tensor
    unlabelled: Tensor
    mixed: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)

    def without_labels(self) -> "StepLoss":
        """The same loss with zero gradient; its parts are still logged."""
        return replace(self, total=self.total * 0.0)

    def plus(self, terms: Mapping[str, Tensor]) -> "StepLoss":
        """Add the objectives' terms."""
        total = torch.stack([self.total, *terms.values()]).sum()
        return replace(self, total=total, terms={name: term.detach() for name, term in terms.items()})


def combine(algorithm: Algorithm, xi: float, supervised: Tensor, unlabelled: Tensor, mixed: Tensor) -> StepLoss:
    """L = L_sup + ξ (unlabelled_weight · L_un + mix_weight · L_mix)."""
    total = supervised + xi * (algorithm.unlabelled_weight * unlabelled + algorithm.mix_weight * mixed)
    return StepLoss(total, supervised.detach(), unlabelled.detach(), mixed.detach())
