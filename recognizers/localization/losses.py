"""The segment network's losses (Zhao et al., ICCV'17, section 4): activity, completeness, place."""

import torch
import torch.nn.functional as F
from torch import Tensor


def completeness_loss(complete: Tensor, incomplete: Tensor, hard: float) -> Tensor:
    """Hinge loss of the class-wise completeness classifiers, the hardest incomplete proposals of each group counting.

    The mean of max(0, 1 − c) over complete proposals and of max(0, 1 + c) over the hard incomplete ones together,
    where c is the score of the class of the true segment that a proposal belongs to.

    Args:
        complete: c of foreground proposals [F].
        incomplete: c of incomplete ones by group [G, M].
        hard: share of each group that counts, one proposal at least.
    """
    kept = max(1, int(incomplete.shape[1] * hard)) if incomplete.numel() else 0
    losses = torch.cat([F.relu(1 - complete), F.relu(1 + incomplete).topk(kept, 1).values.flatten()])
    return losses.sum() / max(1, len(losses))


def regression_loss(found: Tensor, targets: Tensor) -> Tensor:
    """Smooth L1, the two numbers of a proposal added up: [F, 2], [F, 2] -> a mean over the proposals."""
    if not len(found):
        return found.sum()
    return F.smooth_l1_loss(found, targets) * found.shape[1]


def place_targets(spans: Tensor, truth: Tensor) -> Tensor:
    """What leads from proposals to their true segments: [P, 2], [P, 2] -> [P, 2].

    The shift of the centre by the proposal's length, and the logarithm of the ratio of lengths.
    """
    lengths, true_lengths = spans[:, 1] - spans[:, 0], truth[:, 1] - truth[:, 0]
    shift = (truth.sum(1) - spans.sum(1)) / 2 / lengths
    return torch.stack([shift, (true_lengths / lengths).log()], 1)


def placed(spans: Tensor, targets: Tensor) -> Tensor:
    """The inverse of `place_targets`: spans [P, 2], targets [P, …, 2] -> [P, …, 2].

    No span becomes longer or shorter than e² times, nor moves by more than two lengths.
    """
    shape = [len(spans), *[1] * (targets.ndim - 2)]
    lengths = (spans[:, 1] - spans[:, 0]).view(shape)
    centres = spans.mean(1).view(shape) + lengths * targets[..., 0].clamp(-2, 2)
    halves = lengths * targets[..., 1].clamp(-2, 2).exp() / 2
    return torch.stack([centres - halves, centres + halves], -1)
