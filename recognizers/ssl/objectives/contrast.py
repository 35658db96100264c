"""Contrastive losses over the rows of all processes: InfoNCE, NT-Xent, and their versions within each clip."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from recognizers.distributed import all_gathered, processes


def first_row_index(rows: int) -> int:
    """Index of this process's first row among the gathered rows, `rows` of each process."""
    return rows * dist.get_rank() if processes() > 1 else 0


def info_nce(predicted: Tensor, true: Tensor) -> Tensor:
    """InfoNCE: cross-entropy of matching each prediction to its true row among those of all processes, by dot product.

    Args:
        predicted: [R, D].
        true: [R, D], in the same order.
    """
    scores = predicted @ all_gathered(true).T  # [R, R · processes]
    own = first_row_index(len(true)) + torch.arange(len(true), device=true.device)
    return F.cross_entropy(scores, own)


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """NT-Xent (SimCLR, arXiv 2002.05709): each row's partner against all 2 B − 2 other rows of all processes.

    Args:
        a: unit rows [B, D].
        b: their partners [B, D].
        temperature: divides the dot products.
    """
    every = torch.cat([all_gathered(a), all_gathered(b)])  # [2 B', D]
    others, first = len(every) // 2, first_row_index(len(a)) + torch.arange(len(a), device=a.device)
    own, partner = torch.cat([first, first + others]), torch.cat([first + others, first])
    scores = torch.cat([a, b]) @ every.T / temperature  # [2 B, 2 B']
    return F.cross_entropy(scores.scatter(1, own.unsqueeze(1), -torch.inf), partner)


def nt_xent_within(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """NT-Xent within each clip: a time step's partner against the clip's other time steps.

    Args:
        a: unit rows [B, n, D]: n time steps of B clips.
        b: the same time steps in another view.
        temperature: divides the dot products.
    """
    steps, every = a.shape[1], torch.cat([a, b], 1)  # [B, 2 n, D]
    scores = every @ every.transpose(1, 2) / temperature
    scores = scores.masked_fill(torch.eye(2 * steps, dtype=torch.bool, device=a.device), -torch.inf)
    partner = torch.arange(2 * steps, device=a.device).roll(steps).expand(len(a), -1)
    return F.cross_entropy(scores.flatten(0, 1), partner.flatten())


def info_nce_within(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Symmetric InfoNCE within each clip: match each time step of `a` to that of `b`, and vice versa.

    Args:
        a: unit rows [B, n, D].
        b: other features of the same time steps.
        temperature: divides the dot products.
    """
    scores = a @ b.transpose(1, 2) / temperature  # [B, n, n]
    own = torch.arange(a.shape[1], device=a.device).repeat(len(a))
    forward, backward = (F.cross_entropy(way.flatten(0, 1), own) for way in (scores, scores.transpose(1, 2)))
    return (forward + backward) / 2
