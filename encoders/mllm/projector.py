"""Projectors from video tokens to LLM embeddings: per-token linear or MLP, resampler, joint linear map, codebook."""

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError

PROJECTORS = ("linear", "mlp2", "resampler", "joint", "codebook")


class Projector(nn.Module):
    """Visual tokens [V, N, D_in] to embeddings [V, k, D_out], by one of five maps; k is N but for the resampler.

    `linear`: one layer, and `mlp2`: LLaVA-1.5's two layers and GELU, both the same for every token. `resampler`: k
    learned queries attend to any number of tokens, then a linear layer. `joint`: one layer from all N tokens together
    to all N embeddings: every embedding may use all tokens, and few labelled clips determine it in closed form (see
    `alignment.py`). `codebook`: as `joint`, but to K scores, whose softmax weights K learned codes of N embeddings
    each; the softmax sharpens what a linear map leaves blurred between many codes.

    Under `linear`, `mlp2` and `resampler` each of the N tokens has a learned position embedding, added to the
    normalised input: the N tokens have different meanings (a temporal element, a pair, the fused feature) under one
    shared map.

    Args:
        kind: "linear", "mlp2", "resampler", "joint" or "codebook".
        dim_in: D_in.
        dim_out: D_out.
        n_tokens: N.
        n_codes: K, for a codebook.
        n_queries: k, for a resampler.

    Raises:
        GymQAError: an unknown kind, a codebook without codes, or a resampler without queries.
    """

    def __init__(
        self, kind: str, dim_in: int, dim_out: int, n_tokens: int, n_codes: int = 0, n_queries: int = 0
    ) -> None:
        super().__init__()
        if kind not in PROJECTORS:
            raise GymQAError(f"there is no projector {kind!r}; choose one of {', '.join(PROJECTORS)}")
        self.kind, self.n_tokens = kind, n_tokens
        self.norm = nn.LayerNorm(dim_in, elementwise_affine=False)
        if kind == "codebook" and n_codes < 1:
            raise GymQAError("a codebook projector needs n_codes, say one for each element")
        if kind == "resampler" and n_queries < 1:
            raise GymQAError("a resampler needs n_queries, its number of embeddings per video")
        if kind in ("joint", "codebook"):
            self.layers: nn.Module = nn.Linear(n_tokens * dim_in, n_codes if kind == "codebook" else n_tokens * dim_out)
            if kind == "codebook":
                self.codes = nn.Parameter(torch.randn(n_codes, n_tokens, dim_out) * 0.02)
            return
        self.token = nn.Parameter(torch.randn(n_tokens, dim_in) * 0.02)
        last = [nn.GELU(), nn.Linear(dim_out, dim_out)] if kind == "mlp2" else []
        first = [Resampler(dim_in, n_queries)] if kind == "resampler" else []
        self.layers = nn.Sequential(*first, nn.Linear(dim_in, dim_out), *last)

    def forward(self, tokens: Tensor, noise: float = 0.0) -> Tensor:
        """Project [V, N, D_in] -> [V, k, D_out]; `noise` is a standard deviation added to the normalised tokens."""
        normalised = self.norm(tokens)
        if noise > 0:
            normalised = normalised + noise * torch.randn_like(normalised)
        if self.kind == "codebook":
            weights = self.layers(normalised.flatten(1)).softmax(-1)  # [V, N * D_in] -> [V, K]
            return torch.einsum("vk,knd->vnd", weights, self.codes.to(weights.dtype))
        if self.kind == "joint":
            flat: Tensor = self.layers(normalised.flatten(1))  # [V, N * D_in] -> [V, N * D_out]
            return flat.unflatten(1, (self.n_tokens, -1))
        out: Tensor = self.layers(normalised + self.token)
        return out


_DEPTH = 2
_HEAD = 64  # channels of an attention head


class Resampler(nn.Module):
    """Perceiver resampler: learned queries cross-attend to a video's tokens [V, N, D] -> [V, k, D].

    In every layer the queries attend to tokens and queries, then pass a feed-forward network, both residual
    (Flamingo's Perceiver resampler, Alayrac et al. 2022; similar to BLIP-2's Q-Former, Li et al. 2023).

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
    """Pre-norm attention of the queries to tokens and queries, then a feed-forward network."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        heads = next(heads for heads in range(max(1, dim // _HEAD), 0, -1) if dim % heads == 0)
        self.norm_queries, self.norm_tokens, self.norm_hidden = (nn.LayerNorm(dim) for _ in range(3))
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """Queries [V, k, D] and tokens [V, N, D] -> [V, k, D]."""
        query = self.norm_queries(queries)
        context = torch.cat([self.norm_tokens(tokens), query], 1)  # [V, N + k, D]
        queries = queries + self.attention(query, context, context, need_weights=False)[0]
        out: Tensor = queries + self.feed_forward(self.norm_hidden(queries))
        return out
