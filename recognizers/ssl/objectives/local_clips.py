"""Parts of a clip as clips of their own: what the self-supervised objectives compare and predict."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.ssl.perturbation import in_time


def part_orders(parts: int, elements: Sequence[int]) -> Tensor:
    """For each of `parts` equal parts of a clip, in time, the frames that show it alone: places [parts, N].

    A part's frames are stretched over all N places, each as long as the others, so that any network sees a clip of its
    own length. The frames are those that were loaded: no others are decoded.

    Raises:
        GymQAError: there are fewer frames than parts.
    """
    n = sum(elements)
    if n < parts:
        raise GymQAError(f"a clip of {n} frames cannot be cut into {parts} parts; give the model more frames")
    edges = torch.arange(parts + 1) * n // parts
    lengths = edges.diff().unsqueeze(1)  # [parts, 1]
    return in_time(edges[:-1].unsqueeze(1) + torch.arange(n) * lengths // n, elements)


def cut_in_time(view: Tensor, parts: int, elements: Sequence[int]) -> Tensor:
    """The parts of clips, in time, each as a clip: [B, N, …] -> [B, parts, N, …]."""
    return view[:, part_orders(parts, elements).to(view.device)]
