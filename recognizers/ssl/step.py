"""Loss of one training step: augmented views, pseudo-labels, weights, mixing, one student pass, objectives' terms."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import autocast
from recognizers.loader import ClipBatch
from recognizers.ssl.losses import StepLoss, combine, distance_loss, unlabelled_loss
from recognizers.ssl.mixing import draw_mix, mix_frames, mix_targets
from recognizers.ssl.objectives.base import (
    Objectives,
    StepViews,
    UnlabelledViews,
    ViewOutputs,
    split_outputs,
    view_outputs,
)
from recognizers.ssl.pseudo_label import PseudoLabels, pseudo_label
from recognizers.ssl.views import draw_strong, draw_weak
from recognizers.ssl.weighting.base import Weighting


@dataclass(frozen=True, slots=True)
class Guidance:
    """The student's views of a step's unlabelled clips and their targets.

    Attributes:
        views: [B, N, C, S, S] each: the student's view, then the mixed one if the algorithm mixes.
        weak: the teacher's view, of the same shape.
        teacher_prediction: the teacher's pseudo-labels.
        labels: the pseudo-labels used: the teacher's, or those that the objectives made of them.
        weights: weights of the pseudo-labels [B].
        mix_targets: [B, C] and mix_weights [B]; None without mixing.
        flow: of the student's view, for the objectives; None where the frames have no further modality than the
            model.
    """

    views: list[Tensor]
    weak: Tensor
    teacher_prediction: PseudoLabels
    labels: PseudoLabels
    weights: Tensor
    mix_targets: Tensor | None = None
    mix_weights: Tensor | None = None
    flow: Tensor | None = None


@dataclass(frozen=True, slots=True)
class ObjectiveInputs:
    """Further inputs of a step's objectives; see StepViews."""

    objectives: Objectives
    student: Recognizer
    teacher: Recognizer
    clips: ClipBatch | None
    step: int


def guide(
    config: TrainConfig,
    labeller: Recognizer,
    batch: ClipBatch,
    weighting: Weighting,
    rng: Generator,
    objectives: Objectives | None = None,
) -> Guidance:
    """Pseudo-label unlabelled clips with the teacher, and make the student's views of them.

    Args:
        config: the run's settings.
        labeller: network of the pseudo-labels; left in evaluation mode.
        batch: unlabelled clips, on the model's device.
        weighting: rule that weights the pseudo-labels.
        rng: of all random numbers except the teacher's dropout.
        objectives: may change the pseudo-labels before they are weighted.
    """
    algorithm, elements = config.algorithm, config.model.elements
    weak, flow = draw_weak(batch.frames, config, rng)
    with autocast(weak.device, config):
        teacher_prediction = pseudo_label(labeller, weak, algorithm.passes)
    labels = objectives.relabel(weak, batch, teacher_prediction, labeller, flow) if objectives else teacher_prediction
    weights = weighting(labels, batch.positions)
    known = (weak, teacher_prediction, labels, weights)
    if algorithm.view != "strong":
        own, flow = (weak, flow) if algorithm.view == "same" else draw_weak(batch.frames, config, rng)
        return Guidance([own], *known, flow=flow)
    strong, flow = draw_strong(batch.frames, config, algorithm.perturbation, rng)
    if algorithm.mix_weight == 0:
        return Guidance([strong], *known, flow=flow)
    plan = draw_mix(len(strong), len(elements), config.model.mix_parts, algorithm.mix_alpha, rng)
    targets, mixed_weights = mix_targets(labels, weights, plan)
    return Guidance([strong, mix_frames(strong, plan, elements)], *known, targets, mixed_weights, flow)


def step_loss(
    config: TrainConfig,
    student: nn.Module,
    labelled: ClipBatch,
    guidance: Guidance | None,
    xi: float,
    rng: Generator,
    inputs: ObjectiveInputs | None = None,
) -> StepLoss:
    """The loss of one step; all views are one batch of the student.

    Args:
        config: the run's settings.
        student: in training mode, perhaps wrapped for several processes.
        labelled: labelled clips, on the model's device.
        guidance: None for labelled clips only.
        xi: ξ, weight of the unlabelled loss.
        rng: of the labelled clips' views and of the objectives.
        inputs: the objectives and their inputs, if any.
    """
    own, flow = draw_weak(labelled.frames, config, rng)
    views = [own, *(guidance.views if guidance else [])]
    if inputs is None or not inputs.objectives:
        with autocast(views[0].device, config):
            logits = student(torch.cat(views)).float()
        return _own_loss(config, logits.split([len(view) for view in views]), labelled, guidance, xi)
    outputs = _student_outputs(config, student, views)
    loss = _own_loss(config, [output.logits for output in outputs], labelled, guidance, xi)
    loss = loss.without_labels() if inputs.step < config.pretraining_steps else loss
    return loss.plus(inputs.objectives.losses(_step_views(outputs, flow, labelled, guidance, xi, rng, inputs)))


def _student_outputs(config: TrainConfig, student: nn.Module, views: list[Tensor]) -> list[ViewOutputs]:
    """One forward pass over all views; logits and features of each."""
    with autocast(views[0].device, config):
        logits, features = student(together := torch.cat(views), with_features=True)
    return split_outputs(view_outputs(together, logits, features), [len(view) for view in views])


def _step_views(
    outputs: list[ViewOutputs],
    flow: Tensor | None,
    labelled: ClipBatch,
    guidance: Guidance | None,
    xi: float,
    rng: Generator,
    inputs: ObjectiveInputs,
) -> StepViews:
    """The views and outputs of a step, for its objectives."""
    unlabelled = None
    if guidance is not None:
        known = (guidance.teacher_prediction, guidance.labels, guidance.weights)
        unlabelled = UnlabelledViews(guidance.weak, outputs[1], *known, guidance.flow)
    student, teacher = inputs.student, inputs.teacher
    return StepViews(
        student, teacher, outputs[0], labelled.labels, inputs.clips, unlabelled, inputs.step, xi, rng, flow
    )


def _own_loss(
    config: TrainConfig, parts: Sequence[Tensor], labelled: ClipBatch, guidance: Guidance | None, xi: float
) -> StepLoss:
    """L_sup, L_un and L_mix of the student's logits for each view."""
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
    """Stop at a loss or gradient norm that is not finite.

    Raises:
        GymQAError: it is not finite; names the step and this process's clips.
    """
    if not math.isfinite(value):
        raise GymQAError(
            f"the {what} is {value} at step {step}, with clips {', '.join(clip_ids)}; "
            "lower learning_rate or set clip_norm, and train into another folder"
        )


def logged_values(loss: StepLoss, guidance: Guidance | None) -> dict[str, Tensor]:
    """Scalars to log: the loss, its parts, and mean confidence, spread and weight of the pseudo-labels."""
    values = {"loss": loss.total.detach(), "supervised": loss.supervised}
    if guidance is not None:
        values |= {
            "unlabelled": loss.unlabelled,
            "mixed": loss.mixed,
            "confidence": guidance.labels.confidence.mean(),
            "spread": guidance.labels.spread.mean(),
            "weight": guidance.weights.mean(),
        }
    return values | dict(loss.terms)
