"""Objective ActorCutMix: actors pasted on other clips' scenes, with mixed pseudo-labels (Zou et al., CVIU'23).

Learning Representational Invariances for Data-Efficient Action Recognition, arXiv 2103.16565; constants checked against
its release (vt-vl-lab/video-data-aug).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.ssl.objectives.actors import actor_masks, refuse_poses
from recognizers.ssl.objectives.base import Objective, StepViews

PASTED_WEIGHT = 0.5
"""Weight of pasted views beside strong ones; the release picks one of the two for each step, here each weighs half."""


class Pasted(NamedTuple):
    """Clips with actors pasted on other clips' scenes, and the weight of the actor's class.

    view: [B, N, C, S, S]; actor_weight: [B], 1 where nothing was pasted.
    """

    view: Tensor
    actor_weight: Tensor


def paste_actors(view: Tensor, elements: Sequence[int]) -> Pasted:
    """Paste each clip's actor on the scene of its partner, the clip at the mirrored position in the batch.

    The scene's own actor is greyed out. A clip that is all actor, or its own partner, is unchanged. The actor's class
    has the weight w = 1 − (1 − r)⁴, r being the area fraction of its box.

    Args:
        view: weak views [B, N, C, S, S].
        elements: frames of each temporal element.
    """
    actor = actor_masks(view, elements)  # [B, S, S]
    if len(actor) % 2:
        actor[len(actor) // 2] = True
    ratio = actor.flatten(1).float().mean(1)
    mask = actor[:, None, None]
    scene = view.masked_fill(mask, 0.0).flip(0)
    return Pasted(view.where(mask, scene), 1 - (1 - ratio) ** 4)


class ActorCutMix(Objective):
    """½ · mean_i η_i · CE(student(pasted_i), w c_i + (1 − w) c_j), beside ½ of FixMatch's term on strong views.

    Kept: the actor's box pasted on another clip's scene, equal in all frames (temporally coherent), soft targets by
    the actor's area, FixMatch with threshold 0.95, strong views with temporal perturbations (`varied`) for clips that
    are not pasted.
    Left out: the person detector. The box is estimated from frame differences (actors.py), one for each clip instead
    of one for each frame.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        refuse_poses(config)

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's unlabelled clips."""
        unlabelled = views.unlabelled
        if unlabelled is None:
            return views.labelled.logits.new_zeros(())
        pasted = paste_actors(unlabelled.weak, self.config.model.elements)
        changed = (pasted.actor_weight < 1).view(-1, 1, 1, 1, 1)
        logits = self.forward_view(views.student, pasted.view.where(changed, unlabelled.own.view)).logits
        loss = pasted_loss(logits, unlabelled.labels.classes, pasted.actor_weight, unlabelled.weights)
        return views.xi * PASTED_WEIGHT * loss


def pasted_loss(logits: Tensor, classes: Tensor, actor_weight: Tensor, weights: Tensor) -> Tensor:
    """mean_i η_i · (w_i CE_i(c_i) + (1 − w_i) CE_i(c of the partner)); logits [B, C], the others [B]."""
    actor, scene = (F.cross_entropy(logits, of, reduction="none") for of in (classes, classes.flip(0)))
    return (weights * (actor_weight * actor + (1 - actor_weight) * scene)).mean()
