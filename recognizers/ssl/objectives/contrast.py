"""Contrastive losses: each row of one tensor is to be told apart from all others by its partner."""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from recognizers.distributed import gathered, processes


def first_row(rows: int) -> int:
    """The number of this process's first row among those of all processes, each of which has `rows`."""
    return rows * dist.get_rank() if processes() > 1 else 0


def own_among_all(predicted: Tensor, true: Tensor) -> Tensor:
    """Cross-entropy of finding a prediction's own row among the true rows of all processes, by the dot product.

    Args:
        predicted: [R, D].
        true: [R, D], in the same order.
    """
    scores = predicted @ gathered(true).T  # [R, R of all]
    own = first_row(len(true)) + torch.arange(len(true), device=true.device)
    return F.cross_entropy(scores, own)


def nt_xent(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """NT-Xent (SimCLR, arXiv 2002.05709): a row's partner against all 2 B − 2 other rows, of all processes.

    Args:
        a: rows of length 1 [B, D].
        b: their partners [B, D].
        temperature: the dot products are divided by it.
    """
    every = torch.cat([gathered(a), gathered(b)])  # [2 B', D]
    others, first = len(every) // 2, first_row(len(a)) + torch.arange(len(a), device=a.device)
    own, partner = torch.cat([first, first + others]), torch.cat([first + others, first])
    scores = torch.cat([a, b]) @ every.T / temperature  # [2 B, 2 B']
    return F.cross_entropy(scores.scatter(1, own.unsqueeze(1), -torch.inf), partner)


def nt_xent_within(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """NT-Xent inside each clip: a moment's partner against the clip's other moments.

    Args:
        a: rows of length 1, [B, n, D]: n moments of B clips.
        b: the same moments in another view.
        temperature: the dot products are divided by it.
    """
    moments, every = a.shape[1], torch.cat([a, b], 1)  # [B, 2 n, D]
    scores = every @ every.transpose(1, 2) / temperature
    scores = scores.masked_fill(torch.eye(2 * moments, dtype=torch.bool, device=a.device), -torch.inf)
    partner = torch.arange(2 * moments, device=a.device).roll(moments).expand(len(a), -1)
    return F.cross_entropy(scores.flatten(0, 1), partner.flatten())


def same_moment(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of finding each moment of `a` among those of `b`, and the other way, inside each clip.

    Args:
        a: rows of length 1, [B, n, D].
        b: the same moments, told otherwise.
        temperature: the dot products are divided by it.
    """
    scores = a @ b.transpose(1, 2) / temperature  # [B, n, n]
    own = torch.arange(a.shape[1], device=a.device).repeat(len(a))
    there, back = (F.cross_entropy(way.flatten(0, 1), own) for way in (scores, scores.transpose(1, 2)))
    return (there + back) / 2
