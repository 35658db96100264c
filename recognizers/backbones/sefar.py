"""SeFAR's recognizer and config: TimeSformer over dual-level temporal elements, pairwise fusion, linear head.

Source: SeFAR (AAAI'25, arXiv 2501.01245), section "Dual-level temporal elements modelling".
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, ModelConfig, Recognizer
from recognizers.backbones.image.vit import ViTConfig
from recognizers.backbones.image_checkpoints import image_weights_hash, initialise_backbone
from recognizers.backbones.timesformer import TimeSformer
from recognizers.weights_io.saved import holds_recognizer, start_from_recognizer


class SeFARFeatures(NamedTuple):
    """SeFAR's features of a batch of clips, before the head."""

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


@dataclass(frozen=True)
class SeFARConfig(ModelConfig):
    """Config of a SeFAR. The defaults are `sefar_tiny`'s."""

    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    elements: tuple[int, ...] = (2, 2, 4)  # type: ignore[assignment]
    fusion_dim: int = 128
    head_dropout: float = 0.5
    drop_path: float = 0.1
    time_embed_std: float = 0.02
    time_blocks: int = 0  # 0 in the paper; see TimeSformer
    frozen_blocks: int = 0

    family: ClassVar[str] = "sefar"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "elements", tuple(self.elements))  # JSON and YAML bring lists
        if not self.elements or min(self.elements) < 1:
            raise GymQAError(f"elements {self.elements}: name one or more, of at least one frame each, as (2, 2, 4)")
        if min(self.fusion_dim, self.n_classes) < 1:
            raise GymQAError(f"fusion_dim {self.fusion_dim} and n_classes {self.n_classes} are at least 1")

    @property
    def vit(self) -> ViTConfig:
        """Config of the backbone."""
        return ViTConfig(self.image_size, self.patch_size, self.dim, self.depth, self.heads)

    @property
    def mix_side(self) -> int:
        """Patches on a side."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """Visual tokens of a clip: elements, pairs, and the fused one."""
        k = len(self.elements)
        return k + k * (k - 1) // 2 + 1

    def start_hash(self, source: str) -> str | None:
        """A hash of the image ViT's weights."""
        return image_weights_hash(source)

    def build(self) -> "SeFAR":
        """Build the model with fresh weights."""
        return SeFAR(self)


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
        """Run the backbone with torch.compile from now on; weights and tensor names stay."""
        self.backbone.compile(*args, **kwargs)

    def forward_features(self, frames: Tensor) -> SeFARFeatures:
        """[B, N, C, S, S] -> SeFARFeatures."""
        features: SeFARFeatures = self.fusion(self.backbone(frames))
        return features

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Load a saved SeFAR, or initialise the backbone from an image ViT; `source` as of `initialise_backbone`."""
        if source != "shipped" and holds_recognizer(source):
            return start_from_recognizer(self, source)
        return initialise_backbone(self.backbone, source, copy_attention).sentence()


def sefar_tiny() -> SeFARConfig:
    """SeFAR-tiny: 48 px, 36 patches a frame; trains on a few hundred clips in minutes on a CPU."""
    return SeFARConfig()


def sefar_s() -> SeFARConfig:
    """SeFAR-S of the paper."""
    return SeFARConfig(image_size=224, patch_size=16, dim=384, depth=12, heads=6, fusion_dim=256, n_classes=GYM99)


def sefar_b() -> SeFARConfig:
    """SeFAR-B of the paper."""
    return SeFARConfig(image_size=224, patch_size=16, dim=768, depth=12, heads=12, fusion_dim=256, n_classes=GYM99)
