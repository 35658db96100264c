"""Objective TCLR: temporal contrastive pre-training of clips and their quarters (CVIU'22, arXiv 2101.07974)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.config import TrainConfig
from recognizers.ssl.objectives.base import Objective, StepViews
from recognizers.ssl.objectives.contrast import info_nce_within, nt_xent, nt_xent_within
from recognizers.ssl.objectives.local_clips import temporal_parts

PARTS = 4
TEMPERATURE = 0.1
WIDTH = 128  # of the projections; these three as in the release


class TCLR(Objective):
    """Contrast of whole clips and their quarters in two views: L = L_IC(whole) + L_IC(quarters) + L_LL + L_GL.

    Kept: instance contrast of whole and of local clips, local-local contrast (a quarter against the clip's other
    quarters, across views), and global-local contrast (quarters predicted from the whole clip's feature against the
    quarters' features); temperature 0.1, a projection to 128 dimensions, equal weights, and the released sums: over the
    pairs of local clips, divided by 4, and over the quarters in L_GL; but the mean over clips in L_LL too.
    Left out: frames sampled twice as densely for local clips (the loaded frames are stretched instead, for any family),
    batch norm in the projection, and the quarters of the feature map: a projection for each quarter predicts them from
    the whole clip's feature, because not every family keeps four time steps. Views are this package's strong ones.
    Used on unlabelled clips in the pre-training only.
    """

    def __init__(self, config: TrainConfig, student: Recognizer) -> None:
        super().__init__(config, student)
        dim = student.head.in_features
        self.parts = min(PARTS, config.model.frames)
        self.whole = projection(dim)
        self.quarters = nn.ModuleList(projection(dim) for _ in range(self.parts))

    def loss(self, views: StepViews) -> Tensor:
        """The loss of this step's unlabelled clips; 0 after the pre-training."""
        if views.clips is None or views.step >= self.config.pretraining_steps:
            return views.labelled.logits.new_zeros(())
        elements, pair = self.config.model.elements, [self.strong(views.clips.frames, views.rng) for _ in range(2)]
        clips = [torch.cat([view.unsqueeze(1), temporal_parts(view, self.parts, elements)], 1) for view in pair]
        fused = self.forward_view(views.student, torch.cat(clips).flatten(0, 1)).fused.unflatten(
            0, (-1, 1 + self.parts)
        )
        return self.of_features(*fused.chunk(2))

    def of_features(self, first: Tensor, second: Tensor) -> Tensor:
        """The loss from two views' features [B, 1 + parts, F]: the whole clip's, then its parts' in temporal order."""
        wholes = [F.normalize(self.whole(view[:, 0]), dim=-1) for view in (first, second)]  # [B, D]
        parts = [F.normalize(self.whole(view[:, 1:]), dim=-1) for view in (first, second)]  # [B, n, D]
        predicted = [
            F.normalize(torch.stack([quarter(view[:, 0]) for quarter in self.quarters], 1), dim=-1)
            for view in (first, second)
        ]
        instances = nt_xent(wholes[0], wholes[1], TEMPERATURE) + _between_parts(parts)
        local = nt_xent_within(parts[0], parts[1], TEMPERATURE)
        across = [info_nce_within(of_whole, of_part, TEMPERATURE) for of_whole in predicted for of_part in parts]
        return instances + local + self.parts * torch.stack(across).sum()


def projection(dim: int) -> nn.Module:
    """Two-layer projection head: […, dim] -> […, 128]."""
    return nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, WIDTH, bias=False))


def _between_parts(parts: list[Tensor]) -> Tensor:
    """Instance contrast of all pairs of local clips, across and within views: two of [B, n, D] -> a scalar."""
    every = torch.cat(parts, 1).unbind(1)
    pairs = [nt_xent(a, b, TEMPERATURE) for i, a in enumerate(every) for j, b in enumerate(every) if i != j]
    return torch.stack(pairs).sum() / 4
