"""One training step's loss: views, pseudo-labels, weights, mixing, and one forward pass of the student over all."""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gymqa.errors import GymQAError
from recognizers.augment import strong_view, weak_view
from recognizers.batches import ClipBatch
from recognizers.config import TrainConfig
from recognizers.losses import StepLoss, combine, distance_loss, unlabelled_loss
from recognizers.mixing import draw_mix, mix_frames, mix_targets
from recognizers.pseudo_label import PseudoLabels, pseudo_label
from recognizers.recognizer import Recognizer
from recognizers.weighting import Weighting


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the unlabelled clips of a step ask of the student.

    Attributes:
        views: [B, N, C, S, S] each: the student's own, then the mixed one if the algorithm mixes.
        labels: the teacher's pseudo-labels.
        weights: [B].
        mix_targets: [B, C] and mix_weights [B]; None without mixing.
    """

    views: list[Tensor]
    labels: PseudoLabels
    weights: Tensor
    mix_targets: Tensor | None = None
    mix_weights: Tensor | None = None


def autocast(device: torch.device, config: TrainConfig) -> AbstractContextManager[None]:
    """The precision of forward passes. One context a pass: casts made without gradient must not serve with it."""
    dtype = torch.float16 if config.precision == "fp16" else torch.bfloat16
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype, enabled=config.precision != "no")
    return context


def guide(
    config: TrainConfig, labeller: Recognizer, batch: ClipBatch, weighting: Weighting, rng: Generator
) -> Guidance:
    """Look at unlabelled clips with the teacher and prepare the student's views of them.

    Args:
        config: the run's settings.
        labeller: gives the pseudo-labels; left in evaluation mode.
        batch: unlabelled clips, on the model's device.
        weighting: of the pseudo-labels.
        rng: of all draws but the teacher's dropout.
    """
    algorithm, size, elements = config.algorithm, config.model.image_size, config.model.elements
    augment, modality = config.augment, config.model.modality
    weak = weak_view(batch.frames, size, augment, rng, modality)
    with autocast(weak.device, config):
        labels = pseudo_label(labeller, weak, algorithm.passes)
    weights = weighting(labels, batch.positions)
    if algorithm.view != "strong":
        own = weak if algorithm.view == "same" else weak_view(batch.frames, size, augment, rng, modality)
        return Guidance([own], labels, weights)
    strong = strong_view(batch.frames, size, augment, elements, algorithm.perturbation, rng, modality)
    if algorithm.mix_weight == 0:
        return Guidance([strong], labels, weights)
    plan = draw_mix(len(strong), len(elements), config.model.mix_side**2, algorithm.mix_alpha, rng)
    targets, mixed_weights = mix_targets(labels, weights, plan)
    return Guidance([strong, mix_frames(strong, plan, elements)], labels, weights, targets, mixed_weights)


def step_loss(
    config: TrainConfig, student: nn.Module, labelled: ClipBatch, guidance: Guidance | None, xi: float, rng: Generator
) -> StepLoss:
    """The loss of one step; views of equal shape go through the student together.

    Args:
        config: the run's settings.
        student: clips to logits, perhaps wrapped for several processes; in training mode.
        labelled: labelled clips, on the model's device.
        guidance: None looks at labelled clips only.
        xi: ξ, how much the unlabelled clips count.
        rng: draws the labelled clips' views.
    """
    views = [weak_view(labelled.frames, config.model.image_size, config.augment, rng, config.model.modality)]
    views += guidance.views if guidance else []
    with autocast(views[0].device, config):
        logits = student(torch.cat(views)).float()
    parts = logits.split([len(view) for view in views])
    supervised = F.cross_entropy(parts[0], labelled.labels)
    zero = torch.zeros_like(supervised).detach()
    if guidance is None:
        return combine(config.algorithm, 0.0, supervised, zero, zero)
    unlabelled = unlabelled_loss(config.algorithm, parts[1], guidance.labels, guidance.weights)
    mixed = zero
    if guidance.mix_targets is not None and guidance.mix_weights is not None:
        mixed = distance_loss(parts[2], guidance.mix_targets, guidance.mix_weights, config.algorithm.mix_logits)
    return combine(config.algorithm, xi, supervised, unlabelled, mixed)


def require_finite(what: str, value: float, step: int, clip_ids: tuple[str, ...]) -> None:
    """Stop at a loss, or a gradient's norm, that is no number.

    Raises:
        GymQAError: it is not finite; the step and its clips (this process's) are named.
    """
    if not math.isfinite(value):
        raise GymQAError(
            f"the {what} is {value} at step {step}, with clips {', '.join(clip_ids)}; "
            "lower learning_rate or set clip_norm, and train into another folder"
        )
