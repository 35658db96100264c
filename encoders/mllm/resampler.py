"""An attention resampler: any number of visual tokens in, k embeddings out."""

import torch
from torch import Tensor, nn

_DEPTH = 2
_HEAD = 64  # numbers of a token that one head attends by


class Resampler(nn.Module):
    """Learned queries gather what they want of a video's tokens [V, N, D] -> [V, k, D].

    Every layer lets the queries attend to the tokens beside themselves, then passes them through a feed-forward
    network, both added to what they were (Flamingo's Perceiver resampler, Alayrac et al. 2022; the queries of
    BLIP-2's Q-Former, Li et al. 2023, do much the same).

    Args:
        dim: D.
        n_queries: k.
    """

    def __init__(self, dim: int, n_queries: int) -> None:
        super().__init__()
        self.queries = nn.Parameter(torch.randn(n_queries, dim) * 0.02)
        self.layers = nn.ModuleList(ResamplerLayer(dim) for _ in range(_DEPTH))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """[V, N, D] -> [V, k, D]."""
        queries = self.queries.expand(len(tokens), -1, -1)  # [V, k, D]
        for layer in self.layers:
            queries = layer(queries, tokens)
        out: Tensor = self.norm(queries)
        return out


class ResamplerLayer(nn.Module):
    """Attention of the queries to tokens and queries, then a feed-forward network, each normalised before."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        heads = next(heads for heads in range(max(1, dim // _HEAD), 0, -1) if dim % heads == 0)
        self.norm_queries, self.norm_tokens, self.norm_hidden = (nn.LayerNorm(dim) for _ in range(3))
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Queries [V, k, D] and tokens [V, N, D] -> [V, k, D]."""
        asking = self.norm_queries(queries)
        seen = torch.cat([self.norm_tokens(tokens), asking], 1)  # [V, N + k, D]
        queries = queries + self.attention(asking, seen, seen, need_weights=False)[0]
        out: Tensor = queries + self.feed_forward(self.norm_hidden(queries))
        return out
