"""One training step's loss: views, pseudo-labels, weights, mixing, and one forward pass of the student over all."""

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
from recognizers.ssl.objectives.base import Objectives, Seen, StepViews, UnlabelledViews, parts_of, seen
from recognizers.ssl.pseudo_label import PseudoLabels, pseudo_label
from recognizers.ssl.views import draw_strong, draw_weak
from recognizers.ssl.weighting.base import Weighting


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the unlabelled clips of a step ask of the student.

    Attributes:
        views: [B, N, C, S, S] each: the student's own, then the mixed one if the algorithm mixes.
        weak: the view that was labelled, of the same shape.
        believed: the teacher's pseudo-labels.
        labels: those that count: the teacher's, or what the objectives made of them.
        weights: [B].
        mix_targets: [B, C] and mix_weights [B]; None without mixing.
        flow: of the student's own view, for the objectives; None where the model sees all that the frames show.
    """

    views: list[Tensor]
    weak: Tensor
    believed: PseudoLabels
    labels: PseudoLabels
    weights: Tensor
    mix_targets: Tensor | None = None
    mix_weights: Tensor | None = None
    flow: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Further:
    """What the objectives of a step need besides the loss's own parts; see StepViews."""

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
    """Look at unlabelled clips with the teacher and prepare the student's views of them.

    Args:
        config: the run's settings.
        labeller: gives the pseudo-labels; left in evaluation mode.
        batch: unlabelled clips, on the model's device.
        weighting: of the pseudo-labels.
        rng: of all draws but the teacher's dropout.
        objectives: may change the pseudo-labels before they are weighed.
    """
    algorithm, elements = config.algorithm, config.model.elements
    weak, flow = draw_weak(batch.frames, config, rng)
    with autocast(weak.device, config):
        believed = pseudo_label(labeller, weak, algorithm.passes)
    labels = objectives.relabel(weak, batch, believed, labeller, flow) if objectives else believed
    weights = weighting(labels, batch.positions)
    known = (weak, believed, labels, weights)
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
    further: Further | None = None,
) -> StepLoss:
    """The loss of one step; views of equal shape go through the student together.

    Args:
        config: the run's settings.
        student: clips to logits, perhaps wrapped for several processes; in training mode.
        labelled: labelled clips, on the model's device.
        guidance: None looks at labelled clips only.
        xi: ξ, how much the unlabelled clips count.
        rng: draws the labelled clips' views, and what the objectives draw.
        further: the objectives, perhaps none.
    """
    own, flow = draw_weak(labelled.frames, config, rng)
    views = [own, *(guidance.views if guidance else [])]
    if further is None or not further.objectives:
        with autocast(views[0].device, config):
            logits = student(torch.cat(views)).float()
        return _own_loss(config, logits.split([len(view) for view in views]), labelled, guidance, xi)
    looks = _looks(config, student, views)
    loss = _own_loss(config, [look.logits for look in looks], labelled, guidance, xi)
    loss = loss.without_labels() if further.step < config.pretraining_steps else loss
    return loss.plus(further.objectives.losses(_step_views(looks, flow, labelled, guidance, xi, rng, further)))


def _looks(config: TrainConfig, student: nn.Module, views: list[Tensor]) -> list[Seen]:
    """One forward pass over all views, with the features of each."""
    with autocast(views[0].device, config):
        logits, features = student(together := torch.cat(views), with_features=True)
    return parts_of(seen(together, logits, features), [len(view) for view in views])


def _step_views(
    looks: list[Seen],
    flow: Tensor | None,
    labelled: ClipBatch,
    guidance: Guidance | None,
    xi: float,
    rng: Generator,
    further: Further,
) -> StepViews:
    """What a step offers its objectives."""
    unlabelled = None
    if guidance is not None:
        known = (guidance.believed, guidance.labels, guidance.weights)
        unlabelled = UnlabelledViews(guidance.weak, looks[1], *known, guidance.flow)
    student, teacher = further.student, further.teacher
    return StepViews(
        student, teacher, looks[0], labelled.labels, further.clips, unlabelled, further.step, xi, rng, flow
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
    """Stop at a loss, or a gradient's norm, that is no number.

    Raises:
        GymQAError: it is not finite; the step and its clips (this process's) are named.
    """
    if not math.isfinite(value):
        raise GymQAError(
            f"the {what} is {value} at step {step}, with clips {', '.join(clip_ids)}; "
            "lower learning_rate or set clip_norm, and train into another folder"
        )


def told(loss: StepLoss, guidance: Guidance | None) -> dict[str, Tensor]:
    """The loss, its parts and what the teacher thinks, as scalars to be logged."""
    values = {"loss": loss.total.detach(), "supervised": loss.supervised}
    if guidance is not None:
        values |= {
            "unlabelled": loss.unlabelled,
            "mixed": loss.mixed,
            "confidence": guidance.labels.confidence.mean(),
            "spread": guidance.labels.spread.mean(),
            "weight": guidance.weights.mean(),
        }
    return values | dict(loss.further)
