"""TokenMix: mix two clips with tube masks, and their pseudo-labels (own file: one part of an algorithm)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from recognizers.ssl.pseudo_label import PseudoLabels


class MixPlan(NamedTuple):
    """Partners and masks of a mixed batch.

    partner: π(i) [B], one permutation for all elements; mask: [B, k, P] bool, True where a patch of element e is kept
    from sample i; fraction: λ [B], the fraction of patches that are kept.
    """

    partner: Tensor
    mask: Tensor
    fraction: Tensor


def draw_mix(batch: int, elements: int, patches: int, alpha: float, rng: Generator) -> MixPlan:
    """Sample λ ~ Beta(alpha, alpha) for each clip, rounded to whole patches, its masks, and one permutation.

    The kept patches differ from element to element; their number does not, since a clip has one target.
    """
    partner = torch.randperm(batch, generator=rng)
    seed = int(torch.randint(2**62, (1,), generator=rng))
    fraction = torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, batch)).float()
    kept = (fraction * patches).round()
    rank = torch.rand(batch, elements, patches, generator=rng).argsort(-1).argsort(-1)
    return MixPlan(partner, rank < kept.view(-1, 1, 1), kept / patches)


def mix_frames(frames: Tensor, plan: MixPlan, elements: Sequence[int]) -> Tensor:
    """Mix a batch of clips [B, N, C, S, S] by patches, or of skeletons [B, N, J, 3] by joints.

    Mixing patches of pixels equals mixing patch tokens: patches are embedded independently.
    """
    if frames.ndim == 4:
        own = plan.mask.repeat_interleave(torch.tensor(elements), 1).unsqueeze(-1).to(frames.device)  # [B, N, J, 1]
        return torch.where(own, frames, frames[plan.partner.to(frames.device)])
    side, size = int(plan.mask.shape[-1] ** 0.5), frames.shape[-1]
    mask = plan.mask.repeat_interleave(torch.tensor(elements), 1)  # [B, N, P]
    mask = mask.view(*mask.shape[:2], 1, side, 1, side, 1).to(frames.device)
    tiles = frames.unflatten(-1, (side, size // side)).unflatten(-3, (side, size // side))  # [B, N, C, s, p, s, p]
    return torch.where(mask, tiles, tiles[plan.partner.to(frames.device)]).view_as(frames)


def mix_targets(labels: PseudoLabels, weights: Tensor, plan: MixPlan) -> tuple[Tensor, Tensor]:
    """Targets λ p̄_i + (1 − λ) p̄_π(i) [B, C] and weights λ η_i + (1 − λ) η_π(i) [B]."""
    partner, fraction = plan.partner.to(weights.device), plan.fraction.to(weights.device)
    targets = torch.lerp(labels.probabilities[partner], labels.probabilities, fraction.unsqueeze(-1))
    return targets, torch.lerp(weights[partner], weights, fraction)
