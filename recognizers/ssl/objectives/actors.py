"""Where the actor of a clip is, without a detector: where the picture changes from frame to frame."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.config import TrainConfig
from recognizers.ssl.perturbation import time_order

MARGIN = 0.05  # share of the change that a box leaves out on each side


def require_pictures(config: TrainConfig) -> None:
    """Refuse a training on skeletons, which are all actor.

    Raises:
        GymQAError: the model sees poses.
    """
    if config.model.modality == "pose":
        raise GymQAError(
            f"{config.algorithm.name} looks for the actor in pictures, and the model sees poses; "
            "choose another algorithm or modality"
        )


def actor_masks(view: Tensor, elements: Sequence[int]) -> Tensor:
    """One box a clip, for all its frames, around where it moves: [B, S, S] bool.

    The change from frame to frame is averaged over time and channels, and its median over the picture taken off, which
    is noise or a camera that moves; the box runs from the 5th to the 95th hundredth of what is left, across and down.
    A clip in which nothing moves is all actor.

    Args:
        view: [B, N, C, S, S], element after element.
        elements: frames of each temporal element.
    """
    frames = view[:, time_order(elements).to(view.device)].detach()
    change = frames.diff(dim=1).abs().mean((1, 2)) if view.shape[1] > 1 else torch.zeros_like(frames[:, 0, 0])
    moved = (change - change.flatten(1).median(1).values.view(-1, 1, 1)).clamp(min=0)  # [B, S, S]
    rows, columns = _between(moved.sum(2)), _between(moved.sum(1))
    return rows.unsqueeze(2) & columns.unsqueeze(1)


def _between(amounts: Tensor) -> Tensor:
    """Places from the 5th to the 95th hundredth of the amounts [B, S]; all of them where there is none: [B, S] bool."""
    whole = amounts.sum(1, keepdim=True)
    before = amounts.cumsum(1) - amounts
    after = amounts.flip(1).cumsum(1).flip(1) - amounts
    return (before < (1 - MARGIN) * whole) & (after < (1 - MARGIN) * whole) | (whole <= 0)
