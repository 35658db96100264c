"""Learn2Augment (L2A): Learning to Composite Videos (Gowda et al., ECCV'22, arXiv 2206.04790)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import autocast
from recognizers.ssl.objectives.actors import actor_masks, require_pictures
from recognizers.ssl.objectives.base import Objective, StepViews

WIDTH = 128


class Selector(nn.Module):
    """Says of each pair how good a composite it would make, from the two clips' features alone."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.actor, self.scene = nn.Linear(dim, WIDTH), nn.Linear(dim, WIDTH)
        self.score = nn.Linear(WIDTH, 1)

    def forward(self, actors: Tensor, scenes: Tensor) -> Tensor:
        """Features [A, F] and [B, F] -> log-probabilities [A, B] of each scene for each actor."""
        together = F.relu(self.actor(actors).unsqueeze(1) + self.scene(scenes))  # [A, B, W]
        chosen: Tensor = self.score(together).squeeze(-1).log_softmax(-1)
        return chosen


def composite(actors: Tensor, scenes: Tensor, elements: Sequence[int]) -> Tensor:
    """Each clip's actor before another clip's empty scene, the pixels' median over time: [B, N, C, S, S] twice."""
    mask = actor_masks(actors, elements)[:, None, None]
    empty = scenes.median(1, keepdim=True).values
    return actors.where(mask, empty)


class Composite(Objective):
    """CE(student(composite), class) + the selector's REINFORCE term; beside FixMatch.

    Kept: a selector that learns by reinforcement which pairs of clips to composite, from features, before any pixel is
    put together; the actor's class is the composite's.
    Left out, or done otherwise: segmentation (a box from the differences between frames, actors.py) and inpainting (the
    median over time); semantic matching of class names, which narrows the pairs; and the reward: the paper's is what a
    composite does for the classifier on held-out clips, ours the log-probability that the teacher gives the actor's
    class in the composite, over the batch's mean. Labelled clips are the actors, unlabelled ones the scenes. From
    memory but for the abstract: the sizes of the selector and that FixMatch goes with it are ours.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        require_pictures(config)
        self.selector = Selector(student.head.in_features)

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's clips."""
        if views.unlabelled is None:
            return views.labelled.logits.new_zeros(())
        scores = self.selector(views.labelled.fused.detach(), views.unlabelled.own.fused.detach())
        chosen = torch.multinomial(scores.detach().exp().cpu(), 1, generator=views.rng).squeeze(1).to(scores.device)
        made = composite(views.labelled.view, views.unlabelled.weak[chosen], self.config.model.elements)
        logits = self.see(views.student, made).logits
        reward = self._believed(views.teacher, made).gather(1, views.targets.unsqueeze(1)).squeeze(1)
        picked = scores.gather(1, chosen.unsqueeze(1)).squeeze(1)
        return views.xi * (F.cross_entropy(logits, views.targets) + reinforce(picked, reward))

    @torch.no_grad()
    def _believed(self, teacher: Recognizer, clips: Tensor) -> Tensor:
        """The teacher's log-probabilities [B, C]."""
        teacher.eval()
        with autocast(clips.device, self.config):
            logits: Tensor = teacher(clips)
        return logits.float().log_softmax(-1)


def reinforce(chosen: Tensor, reward: Tensor) -> Tensor:
    """−mean_i (r_i − r̄) · log π_i: log-probabilities of what was chosen [B], rewards [B] without gradient."""
    return -((reward - reward.mean()) * chosen).mean()
