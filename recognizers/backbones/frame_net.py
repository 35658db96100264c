"""Networks that look at every frame by itself with a 2-D network, and combine the frames' features."""

from dataclasses import replace
from typing import NamedTuple

from torch import Tensor, nn

from recognizers.backbones.bn_inception import BNInception
from recognizers.backbones.inception_v1 import InceptionV1
from recognizers.backbones.published import load_whole, read_published
from recognizers.backbones.resnet import ResNet, pooled
from recognizers.frame_net_sizes import FrameNetConfig
from recognizers.pixel_ranges import as_trained
from recognizers.recognizer import Recognizer


class FrameFeatures(NamedTuple):
    """What is known of the frames, and of the clip."""

    tokens: Tensor  # [B, N, F]
    fused: Tensor  # [B, F']


def frame_network(config: FrameNetConfig) -> ResNet | BNInception | InceptionV1:
    """The 2-D network of a configuration, with fresh weights."""
    if config.architecture == "bn_inception":
        return BNInception(config.width)
    if config.architecture == "inception_v1":
        return InceptionV1(config.width)
    return ResNet(config.architecture, config.width)


class FrameNet(Recognizer):
    """A 2-D network on each frame; a subclass says how the frames are combined."""

    config: FrameNetConfig

    def __init__(self, config: FrameNetConfig, fused_dim: int | None = None) -> None:
        super().__init__(config)
        self.backbone = frame_network(config)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(fused_dim or self.backbone.dim, config.n_classes)

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Start the 2-D network from published weights, or from those of another recognizer of the same network.

        Args:
            source: as of `read_published`.
            copy_attention: there is none.
        """
        if source == "shipped":
            return None
        found = read_published(source)
        report = load_whole(self.backbone, found)
        self.config = replace(self.config, pixels=found.pixels)
        return report.sentence()

    def forward_maps(self, frames: Tensor) -> Tensor:
        """[B, N, 3, S, S] -> a map of features of each frame [B, N, D, h, w]."""
        seen = as_trained(frames, self.config.pixels)
        maps: Tensor = self.backbone(seen.flatten(0, 1))
        return maps.unflatten(0, frames.shape[:2])

    def forward_frames(self, frames: Tensor) -> Tensor:
        """[B, N, 3, S, S] -> a feature of each frame [B, N, D]."""
        return pooled(self.forward_maps(frames).flatten(0, 1)).unflatten(0, frames.shape[:2])

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits
