"""Local clips: equal temporal parts of a clip, stretched to its length (own file: four objectives use them)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.ssl.perturbation import spans_to_frames


def part_indices(parts: int, elements: Sequence[int]) -> Tensor:
    """Frame indices [parts, N] of equal temporal parts of a clip, each stretched to N frames by repetition.

    The local clips have the network's input length and use the loaded frames only.

    Raises:
        GymQAError: there are fewer frames than parts.
    """
    n = sum(elements)
    if n < parts:
        raise GymQAError(f"a clip of {n} frames cannot be cut into {parts} parts; give the model more frames")
    edges = torch.arange(parts + 1) * n // parts
    lengths = edges.diff().unsqueeze(1)  # [parts, 1]
    return spans_to_frames(edges[:-1].unsqueeze(1) + torch.arange(n) * lengths // n, elements)


def temporal_parts(view: Tensor, parts: int, elements: Sequence[int]) -> Tensor:
    """Cut clips into temporal parts, each a clip of N frames: [B, N, …] -> [B, parts, N, …]."""
    return view[:, part_indices(parts, elements).to(view.device)]
