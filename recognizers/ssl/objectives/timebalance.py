"""Objective TimeBalance: a temporally invariant and a temporally distinctive teacher (CVPR'23, arXiv 2303.16268).

Kept: two self-supervised teachers of the student's architecture. The invariant one is trained to give different times
of a clip the same features, against other clips; the distinctive one to tell the times of a clip apart (TCLR's
local-local loss; temperature 0.1 for both). Both are trained on the labelled clips' classes. The student is trained, by
squared distance, on a mean of their predictions that favours the invariant teacher for clips whose times are similar
for the distinctive one: p = s p_I + (1 − s) p_D, on unlabelled clips and, with half the weight, on labelled ones.
Losses, weights and the mean are those of the authors' release (github.com/DAVEISHAN/TimeBalance), whose similarities s
come from a file; that they are mean cosines of the distinctive teacher's features is from memory.
Left out: a pre-training of its own with fine-tuning after it: here both losses train the teachers during the
warm-up, after which they are frozen; the student's initialisation from TCLR (`--training.initial` takes one); TCLR's
global-local loss; clips sampled more densely (the loaded frames are stretched). In the invariant teacher's loss, each
quarter of a clip is paired with the next one in another view.
"""

import copy
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.losses import distance_loss
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.objectives.contrast import nt_xent, nt_xent_within
from recognizers.ssl.objectives.local_clips import temporal_parts
from recognizers.ssl.objectives.tclr import PARTS, TEMPERATURE, projection
from recognizers.ssl.pseudo_label import PseudoLabels, summarise

LABELLED_WEIGHT = 0.5
"""Weight of the distillation on labelled clips, relative to unlabelled ones (50 and 100 in the release)."""


class BalancedTeachers(Objective):
    """The two teachers: trained during the warm-up, then frozen and distilled from.

    Warm-up: L = L_invariant + L_distinctive + CE(I(labelled), y) + CE(D(labelled), y).
    Then: L = ξ · ½ · mean_i ‖softmax(student(labelled_i)) − p_i‖², besides L_un on the unlabelled clips.
    """

    copies = ("invariant", "distinctive")

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        if not config.warm_up_steps:
            raise GymQAError("TimeBalance trains its teachers during the warm-up; set warm_up_steps to 1 or more")
        if config.model.frames < 2:
            raise GymQAError("TimeBalance compares times of a clip, but the model has one frame; give it 2 or more")
        self.invariant, self.distinctive = copy.deepcopy(student), copy.deepcopy(student)
        self.parts = min(PARTS, config.model.frames)
        self.of_invariant = projection(student.head.in_features)
        self.of_distinctive = projection(student.head.in_features)

    def relabel(
        self, weak: Tensor, clips: ClipBatch, labels: PseudoLabels, labeller: Recognizer, flow: Tensor | None = None
    ) -> PseudoLabels:
        """The balanced prediction of both teachers, instead of the algorithm's own teacher."""
        return summarise(self.balanced(weak).unsqueeze(0))

    def loss(self, views: StepViews) -> Tensor:
        """The teachers' loss during the warm-up, the labelled clips' distillation afterwards."""
        labelled = views.labelled
        if views.step >= self.config.warm_up_steps or views.clips is None:
            targets = self.balanced(labelled.view)
            return views.xi * LABELLED_WEIGHT * distance_loss(labelled.logits, targets, torch.ones_like(targets[:, 0]))
        pair = [self.strong(views.clips.frames, views.rng) for _ in range(2)]
        parts = torch.cat([temporal_parts(view, self.parts, self.config.model.elements) for view in pair])
        alike = invariant_loss(*self._projected(self.invariant, self.of_invariant, parts))
        apart = nt_xent_within(*self._projected(self.distinctive, self.of_distinctive, parts), TEMPERATURE)
        logits = [self.forward_view(teacher, labelled.view).logits for teacher in (self.invariant, self.distinctive)]
        return alike + apart + sum(F.cross_entropy(own, views.targets) for own in logits)

    def _projected(self, teacher: Recognizer, project: torch.nn.Module, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors [B, K, D] of K parts in two views, from clips [2 B, K, N, …]."""
        fused = self.forward_view(teacher, parts.flatten(0, 1)).fused
        first, second = F.normalize(project(fused), dim=-1).unflatten(0, (-1, self.parts)).chunk(2)
        return first, second

    @torch.no_grad()
    def balanced(self, view: Tensor) -> Tensor:
        """The balanced prediction s p_I + (1 − s) p_D, [B, C]."""
        invariant, distinctive = (self.label(one, view).probabilities for one in (self.invariant, self.distinctive))
        return torch.lerp(distinctive, invariant, self.similarity(view).unsqueeze(1))

    @torch.no_grad()
    def similarity(self, view: Tensor) -> Tensor:
        """Similarity s in [0, 1] of a clip's times for the distinctive teacher, [B]."""
        parts = temporal_parts(view, self.parts, self.config.model.elements)
        self.distinctive.eval()
        fused = self.forward_view(self.distinctive, parts.flatten(0, 1)).fused
        self.distinctive.train(self.training)
        return mean_similarity(fused.unflatten(0, (-1, self.parts)))


def invariant_loss(first: Tensor, second: Tensor) -> Tensor:
    """NT-Xent of each part of a clip and the part after it, in another view; unit vectors [B, K, D] each."""
    after = second.roll(-1, 1)
    return torch.stack(
        [nt_xent(a, b, TEMPERATURE) for a, b in zip(first.unbind(1), after.unbind(1), strict=True)]
    ).mean()


def mean_similarity(steps: Tensor) -> Tensor:
    """Mean pairwise cosine of a clip's time steps, clipped to [0, 1]: [B, K, F] -> [B]."""
    pairs = combinations(F.normalize(steps, dim=-1).unbind(1), 2)
    return torch.stack([(one * other).sum(-1) for one, other in pairs]).mean(0).clamp(min=0, max=1)
