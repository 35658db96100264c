"""ActorCutMix: Learning Representational Invariances for Data-Efficient Action Recognition (Zou et al., CVIU'23).

arXiv 2103.16565; constants checked against its release (vt-vl-lab/video-data-aug).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.ssl.objectives.actors import actor_masks, require_pictures
from recognizers.ssl.objectives.base import Objective, StepViews

SHARE = 0.5
"""Of the strong views are pasted actors; the release draws one kind for a step, here each counts half."""


class Pasted(NamedTuple):
    """Clips with actors on others' scenes, and how much of the class is the actor's.

    view: [B, N, C, S, S]; share: [B], 1 where there was nothing to paste, and the clip stayed.
    """

    view: Tensor
    share: Tensor


def paste_actors(view: Tensor, elements: Sequence[int]) -> Pasted:
    """Put each clip's actor on the scene of the clip that lies as far from the batch's end as it from the beginning.

    Where the scene's own actor was, the picture is grey. A clip that is all actor, or its own partner, stays. Of the
    target, w = 1 − (1 − r)⁴ is the actor's, r being the share of the picture that its box takes.

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

    Kept: the actor's box pasted on another clip's scene, the same in all frames (temporally coherent), soft targets by
    the actor's share, FixMatch with threshold 0.95, strong views that also change time (`varied`), which stand in for
    clips that are not pasted.
    Left out: the person detector. The box is estimated from the differences between frames (actors.py), one a clip
    instead of one a frame.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_pictures(config)

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's unlabelled clips."""
        seen = views.unlabelled
        if seen is None:
            return views.labelled.logits.new_zeros(())
        pasted = paste_actors(seen.weak, self.config.model.elements)
        changed = (pasted.share < 1).view(-1, 1, 1, 1, 1)
        logits = self.see(views.student, pasted.view.where(changed, seen.own.view)).logits
        return views.xi * SHARE * pasted_loss(logits, seen.labels.classes, pasted.share, seen.weights)


def pasted_loss(logits: Tensor, classes: Tensor, share: Tensor, weights: Tensor) -> Tensor:
    """mean_i η_i · (w_i CE_i(c_i) + (1 − w_i) CE_i(c of the partner)); logits [B, C], the others [B]."""
    actor, scene = (F.cross_entropy(logits, of, reduction="none") for of in (classes, classes.flip(0)))
    return (weights * (share * actor + (1 - share) * scene)).mean()
