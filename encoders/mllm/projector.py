"""From a video encoder's tokens to the language model's embeddings."""

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError


class Projector(nn.Module):
    """Visual tokens [V, N, D_in] to embeddings [V, k, D_out], by one of five maps; k is N but for the resampler.

    `linear`: one layer, and `mlp2`: LLaVA-1.5's two layers and GELU, both the same for every token. `resampler`: k
    learned queries gather what they want of any number of tokens, then a linear layer. `joint`: one layer from all N
    tokens together to all N embeddings: every embedding may use all the evidence, and few labelled clips determine it
    in closed form (see `alignment.py`). `codebook`: as `joint`, but to K scores, whose softmax weighs K learned codes
    of N embeddings each. What a linear map leaves blurred between many codes, the softmax makes sharp.

    Under `linear`, `mlp2` and `resampler` every one of the N tokens has an embedding of its own, added to the
    normalised input: N tokens of one video mean N different things (an element of time, a pair of them, the whole),
    and one map has to tell them apart.

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
            raise GymQAError("a resampler needs n_queries, the number of embeddings that it makes of a video")
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
            shares = self.layers(normalised.flatten(1)).softmax(-1)  # [V, N * D_in] -> [V, K]
            return torch.einsum("vk,knd->vnd", shares, self.codes.to(shares.dtype))
        if self.kind == "joint":
            flat: Tensor = self.layers(normalised.flatten(1))  # [V, N * D_in] -> [V, N * D_out]
            return flat.unflatten(1, (self.n_tokens, -1))
        out: Tensor = self.layers(normalised + self.token)
        return out


PROJECTORS = ("linear", "mlp2", "resampler", "joint", "codebook")


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
