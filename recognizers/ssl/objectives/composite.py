"""Objective L2A (Learn2Augment): composites of actors and scenes picked by a selector (ECCV'22, arXiv 2206.04790)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.distributed import autocast
from recognizers.ssl.objectives.actors import actor_masks, refuse_poses
from recognizers.ssl.objectives.base import Objective, StepViews

WIDTH = 128  # of the selector


class Selector(nn.Module):
    """Scores pairs of actor and scene clips for compositing, from their features."""

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
    """Paste each clip's actor on another clip's background, its temporal median: [B, N, C, S, S] both."""
    mask = actor_masks(actors, elements)[:, None, None]
    empty = scenes.median(1, keepdim=True).values
    return actors.where(mask, empty)


class Composite(Objective):
    """CE(student(composite), class) + the selector's REINFORCE term; beside FixMatch.

    Kept: a selector trained by reinforcement learning to pick pairs of clips to composite, from their features; the
    composite has the actor's class.
    Left out, or done otherwise: segmentation (a box from frame differences, actors.py) and inpainting (the temporal
    median); semantic matching of class names, which narrows the pairs; and the reward: the paper's is the classifier's
    gain on held-out clips, ours the teacher's log-probability of the actor's class for the composite, minus the
    batch's mean. Labelled clips are the actors, unlabelled ones the scenes. From memory except for the abstract: the
    selector's width and the combination with FixMatch are ours.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        refuse_poses(config)
        self.selector = Selector(student.head.in_features)

    def loss(self, views: StepViews) -> Tensor:
        """The term of this step's clips."""
        if views.unlabelled is None:
            return views.labelled.logits.new_zeros(())
        scores = self.selector(views.labelled.fused.detach(), views.unlabelled.own.fused.detach())
        chosen = torch.multinomial(scores.detach().exp().cpu(), 1, generator=views.rng).squeeze(1).to(scores.device)
        made = composite(views.labelled.view, views.unlabelled.weak[chosen], self.config.model.elements)
        logits = self.forward_view(views.student, made).logits
        reward = self._teacher_prediction(views.teacher, made).gather(1, views.targets.unsqueeze(1)).squeeze(1)
        picked = scores.gather(1, chosen.unsqueeze(1)).squeeze(1)
        return views.xi * (F.cross_entropy(logits, views.targets) + reinforce(picked, reward))

    @torch.no_grad()
    def _teacher_prediction(self, teacher: Recognizer, clips: Tensor) -> Tensor:
        """The teacher's log-probabilities [B, C]."""
        teacher.eval()
        with autocast(clips.device, self.config):
            logits: Tensor = teacher(clips)
        return logits.float().log_softmax(-1)


def reinforce(chosen: Tensor, reward: Tensor) -> Tensor:
    """−mean_i (r_i − r̄) · log π_i: log-probabilities of what was chosen [B], rewards [B] without gradient."""
    return -((reward - reward.mean()) * chosen).mean()
