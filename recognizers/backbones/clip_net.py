"""Networks that see a clip in three dimensions, to a mean over time and picture, and a linear head."""

from typing import NamedTuple

from torch import Tensor, nn

from recognizers.clip_net_sizes import ClipNetConfig
from recognizers.recognizer import Recognizer


class ClipFeatures(NamedTuple):
    """What is known of a clip, and of its moments."""

    tokens: Tensor  # [B, T', F] one a moment that is left after the strides in time
    fused: Tensor  # [B, F]


class ClipNet(Recognizer):
    """A 3-D network on the whole clip; a subclass says which."""

    def __init__(self, config: ClipNetConfig, backbone: nn.Module, dim: int) -> None:
        super().__init__(config)
        self.backbone = backbone
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(dim, config.n_classes)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> features of moments, and their mean."""
        tokens = self.backbone(frames.transpose(1, 2)).mean((3, 4)).transpose(1, 2)  # [B, F, T', h, w] -> [B, T', F]
        return ClipFeatures(tokens, tokens.mean(1))

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits
