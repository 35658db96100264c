"""From a video encoder's tokens to the language model's embeddings."""

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError


class Projector(nn.Module):
    """Visual tokens [V, N, D_in] to embeddings [V, N, D_out]: `linear`, or `mlp2` (LLaVA-1.5's two layers and GELU).

    Every one of the N tokens has an embedding of its own, added to the normalised input: N tokens of one video mean
    N different things (an element of time, a pair of them, the whole), and one map has to tell them apart.

    Args:
        kind: "linear" or "mlp2".
        n_tokens: N.

    Raises:
        GymQAError: an unknown kind.
    """

    def __init__(self, kind: str, dim_in: int, dim_out: int, n_tokens: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim_in, elementwise_affine=False)
        self.token = nn.Parameter(torch.randn(n_tokens, dim_in) * 0.02)
        if kind == "linear":
            self.layers: nn.Module = nn.Linear(dim_in, dim_out)
        elif kind == "mlp2":
            self.layers = nn.Sequential(nn.Linear(dim_in, dim_out), nn.GELU(), nn.Linear(dim_out, dim_out))
        else:
            raise GymQAError(f"there is no projector {kind!r}; choose linear or mlp2")

    def forward(self, tokens: Tensor, noise: float = 0.0) -> Tensor:
        """Project [V, N, D_in] -> [V, N, D_out]; `noise` is a standard deviation added to the normalised tokens."""
        normalised = self.norm(tokens)
        if noise > 0:
            normalised = normalised + noise * torch.randn_like(normalised)
        out: Tensor = self.layers(normalised + self.token)
        return out
