"""SeFAR's recognizer: a shared space-time backbone over dual-level elements, pairwise fusion, a linear head.

Source: SeFAR (AAAI'25, arXiv 2501.01245), section "Dual-level temporal elements modelling".
"""

from itertools import combinations
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.base import Recognizer
from recognizers.backbones.image_checkpoints import initialise_backbone
from recognizers.backbones.sizes import SeFARConfig
from recognizers.backbones.timesformer import TimeSformer
from recognizers.starting import holds_recognizer, start_from_recognizer


class SeFARFeatures(NamedTuple):
    """What the network knows of a batch of clips before the head."""

    elements: Tensor  # [B, k, F]  s_i
    pairs: Tensor  # [B, k(k-1)/2, F]  p_ij, i < j
    fused: Tensor  # [B, F]  g

    @property
    def tokens(self) -> Tensor:
        """[B, k + k(k-1)/2 + 1, F]: elements, pairs, fused."""
        return torch.cat([self.elements, self.pairs, self.fused.unsqueeze(1)], 1)


class Projection(nn.Module):
    """LN(GELU(W x)): […, d_in] -> […, d_out]."""

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(d_in, d_out)
        self.norm = nn.LayerNorm(d_out)

    def forward(self, x: Tensor) -> Tensor:
        """[…, d_in] -> […, d_out]."""
        out: Tensor = self.norm(F.gelu(self.linear(x)))
        return out


class ElementFusion(nn.Module):
    """Fuse the elements' features f_i.

    s_i = LN(GELU(W0 f_i)), p_ij = LN(GELU(W1 [f_i; f_j])) for i < j, g = LN(GELU(W2 [p_12; p_13; …; s_1; s_2; …])).
    A single element, the paper's model without dual-level elements, has no pairs.
    """

    def __init__(self, n_elements: int, dim: int, fusion_dim: int) -> None:
        super().__init__()
        pairs = list(combinations(range(n_elements), 2))
        self.first, self.second = [i for i, _ in pairs], [j for _, j in pairs]
        self.single = Projection(dim, fusion_dim)
        self.pair = Projection(2 * dim, fusion_dim) if pairs else None
        self.joint = Projection((len(pairs) + n_elements) * fusion_dim, fusion_dim)

    def forward(self, features: Tensor) -> SeFARFeatures:
        """Element features [B, k, D] -> SeFARFeatures."""
        singles = self.single(features)  # [B, k, F]
        pairs = singles[:, :0]
        if self.pair is not None:
            pairs = self.pair(torch.cat([features[:, self.first], features[:, self.second]], -1))  # [B, k(k-1)/2, F]
        fused = self.joint(torch.cat([pairs, singles], 1).flatten(1))  # [B, F]
        return SeFARFeatures(singles, pairs, fused)


class SeFAR(Recognizer):
    """Clips [B, N, C, S, S] in [-1, 1], frames element after element -> logits [B, n_classes]."""

    config: SeFARConfig

    def __init__(self, config: SeFARConfig) -> None:
        super().__init__(config)
        self.backbone = TimeSformer(
            config.vit,
            config.elements,
            config.drop_path,
            config.time_embed_std,
            config.time_blocks,
            config.frozen_blocks,
            config.channels,
        )
        self.fusion = ElementFusion(len(config.elements), config.dim, config.fusion_dim)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.fusion_dim, config.n_classes)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compute the backbone with torch.compile from now on; weights, names and files stay."""
        self.backbone.compile(*args, **kwargs)

    def forward_features(self, frames: Tensor) -> SeFARFeatures:
        """[B, N, C, S, S] -> SeFARFeatures."""
        features: SeFARFeatures = self.fusion(self.backbone(frames))
        return features

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Start from a saved SeFAR, or the backbone from an image ViT; `source` as of `initialise_backbone`."""
        if source != "shipped" and holds_recognizer(source):
            return start_from_recognizer(self, source)
        return initialise_backbone(self.backbone, source, copy_attention).sentence()
