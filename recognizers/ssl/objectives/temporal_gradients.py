"""Temporal gradients of sampled clips: differences of consecutive frames (own file: two objectives use them)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.config import TrainConfig
from recognizers.ssl.perturbation import time_order


def temporal_gradient(view: Tensor, elements: Sequence[int]) -> Tensor:
    """Half the difference of each frame to the next sampled frame in time; the last one repeats the gradient before it.

    The next sampled frame may belong to another element, and is further away than the video's next frame.

    Args:
        view: frames in [-1, 1], element after element, [B, N, 3, S, S].
        elements: frames of each temporal element.

    Returns:
        [B, N, 3, S, S] in [-1, 1], in the order of the view; zeros where there is one frame only.
    """
    order = time_order(elements).to(view.device)
    if len(order) == 1:
        return torch.zeros_like(view)
    gradient = view[:, order].diff(dim=1) / 2
    return torch.cat([gradient, gradient[:, -1:]], 1)[:, order.argsort()]


def require_rgb(config: TrainConfig, name: str) -> None:
    """Refuse a model whose modality is not rgb, from which the gradients are computed.

    Raises:
        GymQAError: the model has another modality.
    """
    if config.model.modality != "rgb":
        raise GymQAError(
            f"{name} computes temporal gradients from rgb, but the model's modality is {config.model.modality}; "
            "set model.modality to rgb"
        )
