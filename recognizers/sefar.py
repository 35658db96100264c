"""SeFAR's recognizer: a shared space-time backbone over dual-level elements, pairwise fusion, a linear head.

Source: SeFAR (AAAI'25, arXiv 2501.01245), section "Dual-level temporal elements modelling".
"""

from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.atomic import read_json
from gymqa.errors import GymQAError
from recognizers.backbones.image_vit import ViTConfig, read_weights, save_model
from recognizers.backbones.timesformer import TimeSformer


@dataclass(frozen=True)
class SeFARConfig:
    """Sizes of a SeFAR; pixels, frames and features. The defaults are the tiny one of the demo."""

    image_size: int = 48
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    elements: tuple[int, ...] = (2, 2, 4)
    fusion_dim: int = 128
    n_classes: int = 24
    head_dropout: float = 0.5
    drop_path: float = 0.1
    time_embed_std: float = 0.02
    time_blocks: int = 0  # more than the paper's none: see TimeSformer
    frozen_blocks: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "elements", tuple(self.elements))  # JSON and YAML bring lists
        if not self.elements or min(self.elements) < 1:
            raise GymQAError(f"elements {self.elements}: name one or more, of at least one frame each, as (2, 2, 4)")

    @property
    def vit(self) -> ViTConfig:
        """The backbone's sizes."""
        return ViTConfig(self.image_size, self.patch_size, self.dim, self.depth, self.heads)

    @property
    def tokens(self) -> int:
        """Tokens a clip gives to a language model: elements, pairs, and the fused one."""
        k = len(self.elements)
        return k + k * (k - 1) // 2 + 1


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


class SeFAR(nn.Module):
    """Clips [B, N, 3, S, S] in [-1, 1], frames element after element -> logits [B, n_classes]."""

    def __init__(self, config: SeFARConfig = SeFARConfig()) -> None:
        super().__init__()
        self.config = config
        self.backbone = TimeSformer(
            config.vit,
            config.elements,
            config.drop_path,
            config.time_embed_std,
            config.time_blocks,
            config.frozen_blocks,
        )
        self.fusion = ElementFusion(len(config.elements), config.dim, config.fusion_dim)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.fusion_dim, config.n_classes)

    def forward_features(self, frames: Tensor) -> SeFARFeatures:
        """[B, N, 3, S, S] -> SeFARFeatures."""
        features: SeFARFeatures = self.fusion(self.backbone(frames))
        return features

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits

    def forward(self, frames: Tensor) -> Tensor:
        """[B, N, 3, S, S] -> logits [B, n_classes]."""
        return self.forward_head(self.forward_features(frames).fused)

    def reset_classifier(self, n_classes: int) -> None:
        """Put a fresh head for another number of classes."""
        self.config = SeFARConfig(**{**asdict(self.config), "n_classes": n_classes})
        self.head = nn.Linear(self.config.fusion_dim, n_classes)

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, {"model": "sefar", **asdict(self.config)})

    @classmethod
    def from_pretrained(cls, folder: Path) -> "SeFAR":
        """Read what `save_pretrained` wrote; the model is in evaluation mode.

        Raises:
            GymQAError: a file is missing or damaged, or the weights are of another architecture.
        """
        model = cls(read_config(folder))
        try:
            model.load_state_dict(read_weights(folder))
        except RuntimeError as error:
            raise GymQAError(f"{folder} holds weights of another architecture than its config.json says") from error
        return model.eval()


def read_config(folder: Path) -> SeFARConfig:
    """Read config.json of a saved SeFAR.

    Raises:
        GymQAError: it is missing, or not that of a SeFAR.
    """
    values: dict[str, Any] = read_json(folder / "config.json")
    if not isinstance(values, dict) or values.pop("model", None) != "sefar":
        raise GymQAError(f"{folder} does not hold a SeFAR recognizer; give the folder that training wrote")
    try:
        return SeFARConfig(**values)
    except TypeError as error:
        raise GymQAError(f"{folder / 'config.json'} has an unknown setting ({error}); train the model again") from error
