"""Actor boxes of clips from frame differences, without a detector (own file: two objectives use them)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.config import TrainConfig
from recognizers.ssl.perturbation import time_order

MARGIN = 0.05  # fraction of the motion that a box leaves out on each side


def refuse_poses(config: TrainConfig) -> None:
    """Refuse a model of skeletons, which have no background.

    Raises:
        GymQAError: the model's modality is pose.
    """
    if config.model.modality == "pose":
        raise GymQAError(
            f"{config.algorithm.name} locates actors in frames, but the model's modality is pose; "
            "choose another algorithm or modality"
        )


def actor_masks(view: Tensor, elements: Sequence[int]) -> Tensor:
    """One box around the motion of each clip, for all its frames: [B, S, S] bool.

    Absolute frame differences are averaged over time and channels, minus their median over the frame (noise or camera
    motion); the box spans the 5th to 95th percentile of the rest in x and y. A clip without motion is all actor.

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
    """Positions from the 5th to the 95th percentile of the amounts [B, S]; all where they are 0: [B, S] bool."""
    whole = amounts.sum(1, keepdim=True)
    before = amounts.cumsum(1) - amounts
    after = amounts.flip(1).cumsum(1).flip(1) - amounts
    return (before < (1 - MARGIN) * whole) & (after < (1 - MARGIN) * whole) | (whole <= 0)
