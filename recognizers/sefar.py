"""SeFAR's recognizer: a shared space-time backbone over dual-level elements, pairwise fusion, a linear head.

Source: SeFAR (AAAI'25, arXiv 2501.01245), section "Dual-level temporal elements modelling".
"""

from dataclasses import fields, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.atomic import read_json
from gymqa.errors import GymQAError
from recognizers.backbones.image_vit import read_weights, save_model
from recognizers.backbones.timesformer import TimeSformer
from recognizers.pretrained import load_exactly, model_folder
from recognizers.sizes import SeFARConfig

if TYPE_CHECKING:
    from recognizers.model_card import ModelFacts


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

    def __init__(self, config: SeFARConfig) -> None:
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

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compute the backbone with torch.compile from now on (its arguments); weights, names and files stay.

        A copy is not compiled: compile the teacher too.
        """
        self.backbone.compile(*args, **kwargs)

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
        self.config = replace(self.config, n_classes=n_classes)
        self.head = nn.Linear(self.config.fusion_dim, n_classes).to(self.head.weight)

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
        save_model(self, folder, self.config.saved())

    def push_to_hub(self, repo: str, facts: "ModelFacts", private: bool = False) -> str:
        """Upload weights, configuration and model card in one commit; returns its address.

        Raises:
            GymQAError: no token, the Hub refuses, or it cannot be reached.
        """
        from recognizers.model_card import push_model

        return push_model(self, repo, facts, private)

    @classmethod
    def from_pretrained(cls, source: Path | str) -> "SeFAR":
        """Read what `save_pretrained` or `push_to_hub` wrote; the model is in evaluation mode.

        Args:
            source: a folder, or a model on the Hub, owner/name.

        Raises:
            GymQAError: a file is missing or damaged, or the weights are of another architecture; it says which.
        """
        folder = model_folder(source)
        config = read_config(folder)
        with torch.random.fork_rng(devices=[]):  # what is overwritten at once must not move anybody's draws
            model = cls(config)
        load_exactly(model, read_weights(folder), folder)
        return model.eval()


def read_config(folder: Path) -> SeFARConfig:
    """Read config.json of a saved SeFAR.

    Raises:
        GymQAError: it is missing, or not that of a SeFAR.
    """
    values: dict[str, Any] = read_json(folder / "config.json")
    kind = values.pop("model", None) if isinstance(values, dict) else None
    if kind != "sefar":
        what = f"; its config.json is of the model {kind!r}" if kind else ""
        raise GymQAError(f"{folder} does not hold a SeFAR recognizer{what}; give the folder that training wrote")
    known = {field.name: field.default for field in fields(SeFARConfig)}
    for name, value in values.items():
        if name not in known:
            raise GymQAError(f"{folder / 'config.json'} has an unknown setting {name!r}; train the model again")
        if not _fits(value, known[name]):
            raise GymQAError(f"{folder / 'config.json'}: {name} cannot be {value!r}; copy or train the model again")
    return SeFARConfig(**values)


def _fits(value: Any, default: Any) -> bool:
    """Whether a value read from JSON is of a setting's kind."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(type(one) is int for one in value)
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)
