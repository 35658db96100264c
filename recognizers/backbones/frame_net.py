"""Networks that look at every frame by itself with a 2-D network, and combine the frames' features."""

from typing import NamedTuple

from torch import Tensor, nn

from recognizers.backbones.bn_inception import BNInception
from recognizers.backbones.resnet import ResNet, pooled
from recognizers.frame_net_sizes import FrameNetConfig
from recognizers.recognizer import Recognizer


class FrameFeatures(NamedTuple):
    """What is known of the frames, and of the clip."""

    tokens: Tensor  # [B, N, F]
    fused: Tensor  # [B, F']


def frame_network(config: FrameNetConfig) -> ResNet | BNInception:
    """The 2-D network of a configuration, with fresh weights."""
    return (
        BNInception(config.width, config.in_channels)
        if config.architecture == "bn_inception"
        else ResNet(config.architecture, config.width, channels=config.in_channels)
    )


class FrameNet(Recognizer):
    """A 2-D network on each frame (or stack of them); a subclass says how they are combined."""

    config: FrameNetConfig

    def __init__(self, config: FrameNetConfig, fused_dim: int | None = None) -> None:
        super().__init__(config)
        self.backbone = frame_network(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(fused_dim or self.backbone.dim, config.n_classes)

    def forward_frames(self, frames: Tensor) -> Tensor:
        """[B, N · stack, C, S, S] -> a feature of each segment [B, N, D]."""
        segments = frames.unflatten(1, (-1, self.config.stack)).flatten(2, 3)  # [B, N, stack · C, S, S]
        return pooled(self.backbone(segments.flatten(0, 1))).unflatten(0, segments.shape[:2])

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits
