"""Temporal gradients of clips that are already sampled: each frame's difference to the next one in time."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.config import TrainConfig
from recognizers.ssl.perturbation import time_order


def temporal_gradient(view: Tensor, elements: Sequence[int]) -> Tensor:
    """Half the difference of every frame to the next one in time; the last frame repeats the gradient before it.

    Next is the next of the frames that were sampled, whatever element it belongs to: the frames of a clip are further
    apart than a video's.

    Args:
        view: frames in [-1, 1], element after element, [B, N, 3, S, S].
        elements: frames of each temporal element.

    Returns:
        [B, N, 3, S, S] in [-1, 1], in the order of the view; zeros where there is one frame only.
    """
    places = time_order(elements).to(view.device)
    if len(places) == 1:
        return torch.zeros_like(view)
    gradient = view[:, places].diff(dim=1) / 2
    return torch.cat([gradient, gradient[:, -1:]], 1)[:, places.argsort()]


def require_colours(config: TrainConfig, name: str) -> None:
    """Refuse a model that does not see colours, of which the gradients are taken.

    Raises:
        GymQAError: it sees another modality.
    """
    if config.model.modality != "rgb":
        raise GymQAError(
            f"{name} makes temporal gradients of colours itself, and the model sees {config.model.modality}; "
            "set model.modality to rgb"
        )
