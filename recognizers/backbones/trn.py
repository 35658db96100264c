"""TRN: Temporal Relation Network, single- or multi-scale, and config (Zhou et al., ECCV'18, arXiv 1711.08496)."""

from dataclasses import dataclass, field, replace
from itertools import combinations
from math import comb
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import FrameFeatures, FrameNet, FrameNetConfig

_MOST_SUBSETS = 200_000  # of one scale, all of which are listed


@dataclass(frozen=True)
class TRNConfig(FrameNetConfig):
    """Config of Temporal Relation Networks (Zhou et al., ECCV'18).

    Attributes:
        multi_scale: relations of 2, 3, … and all frames, instead of all frames only.
        subsets: most frame subsets of each scale.
        frame_dim: width of a frame feature.
        relation_dim: width of a relation feature; 256 in the multi-scale release.
        frame_dropout: before the frame features.
        head_dropout: before the last layer; 0 in the release, but needed by algorithms with several stochastic teacher
            passes.
    """

    segments: int = 8
    multi_scale: bool = False
    subsets: int = 3
    frame_dim: int = 256
    relation_dim: int = 512
    frame_dropout: float = field(default=0.5, kw_only=True)

    family: ClassVar[str] = "trn"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segments < 2 or min(self.subsets, self.frame_dim, self.relation_dim) < 1:
            raise GymQAError(f"{self}: a relation needs 2 frames or more, and subsets and widths of at least 1")
        if comb(self.segments, self.segments // 2) > _MOST_SUBSETS and self.multi_scale:
            raise GymQAError(f"{self}: {self.segments} segments have too many subsets; choose at most 20")

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return TRN(self)


class TRN(FrameNet):
    """Relations of ordered frame features, one layer for each number of frames.

    A relation of k frames is h_k = Σ ReLU(W_k [f_i; f_j; …]) over subsets of k frames i < j < …; the scores are
    Σ_k V_k h_k, computed as one linear head on the concatenated h_k. Subsets are sampled at random in training and
    evenly in evaluation; the released code samples them at random there, too.
    """

    config: TRNConfig

    def __init__(self, config: TRNConfig) -> None:
        self.scales = list(range(config.segments, 1, -1)) if config.multi_scale else [config.segments]
        super().__init__(config, len(self.scales) * config.relation_dim)
        self.frame_dropout = nn.Dropout(config.frame_dropout)
        self.frame = nn.Linear(self.backbone.dim, config.frame_dim)
        self.relations = nn.ModuleList(nn.Linear(k * config.frame_dim, config.relation_dim) for k in self.scales)
        self._sets = [torch.tensor(list(combinations(range(config.segments), k))) for k in self.scales]

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, C, S, S] -> frame features, and the concatenated relations."""
        tokens = self.frame(self.frame_dropout(self.forward_frames(frames)))  # [B, N, F]
        found = [
            F.relu(layer(F.relu(tokens[:, chosen].flatten(2)))).sum(1)  # [B, n, k, F] -> [B, n, R] -> [B, R]
            for layer, chosen in zip(self.relations, self._chosen(), strict=True)
        ]
        return FrameFeatures(tokens, torch.cat(found, -1))

    def _chosen(self) -> list[Tensor]:
        """Frame subsets of each scale: [n, k] each, n <= config.subsets."""
        chosen = []
        for sets in self._sets:
            n = min(self.config.subsets, len(sets))
            picked = torch.randperm(len(sets))[:n] if self.training else (torch.arange(n) * len(sets)) // n
            chosen.append(sets[picked])
        return chosen


def trn_bn_inception() -> TRNConfig:
    """TRN as in FineGym: 3 segments."""
    return TRNConfig(
        image_size=224, architecture="bn_inception", segments=3, frame_dropout=0.8, head_dropout=0.0, n_classes=GYM99
    )


def trn_ms_bn_inception() -> TRNConfig:
    """Multi-scale TRN as in FineGym: relations of 3 and of 2 segments."""
    return replace(trn_bn_inception(), multi_scale=True, relation_dim=256)
