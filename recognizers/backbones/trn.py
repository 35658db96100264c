"""TRN: Temporal Relation Networks (Zhou et al., ECCV'18, arXiv 1711.08496), of all frames, or multi-scale."""

from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognizers.backbones.frame_net import FrameFeatures, FrameNet
from recognizers.backbones.frame_net_sizes import TRNConfig


class TRN(FrameNet):
    """Frames' features, joined in their order, go through a layer for each number of frames.

    A relation of k frames is h_k = Σ ReLU(W_k [f_i; f_j; …]) over sets of k frames i < j < …; the scores are
    Σ_k V_k h_k, which is one linear head on all h_k side by side. In training the sets are drawn, in evaluation they
    are spread evenly over all; the released code draws them there, too.
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
        """[B, N, C, S, S] -> features of the frames, and all relations side by side."""
        tokens = self.frame(self.frame_dropout(self.forward_frames(frames)))  # [B, N, F]
        found = [
            F.relu(layer(F.relu(tokens[:, chosen].flatten(2)))).sum(1)  # [B, n, k, F] -> [B, n, R] -> [B, R]
            for layer, chosen in zip(self.relations, self._chosen(), strict=True)
        ]
        return FrameFeatures(tokens, torch.cat(found, -1))

    def _chosen(self) -> list[Tensor]:
        """Sets of frames for each scale: [n, k] each, n <= config.subsets."""
        chosen = []
        for sets in self._sets:
            n = min(self.config.subsets, len(sets))
            places = torch.randperm(len(sets))[:n] if self.training else (torch.arange(n) * len(sets)) // n
            chosen.append(sets[places])
        return chosen
