"""Networks that look at every frame by itself with a 2-D network, and combine the frames' features."""

from typing import NamedTuple

from torch import Tensor, nn

from recognizers.backbones.frame_net_sizes import FrameNetConfig
from recognizers.backbones.image.bn_inception import BNInception
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.resnet import ResNet, pooled
from recognizers.backbones.published import StartsFromPublished, load_whole, read_published
from recognizers.weights_io.normalisation import Pixels, as_trained


class FrameFeatures(NamedTuple):
    """What is known of the frames, and of the clip."""

    tokens: Tensor  # [B, N, F]
    fused: Tensor  # [B, F']


def frame_network(config: FrameNetConfig, channels: int) -> ResNet | BNInception | InceptionV1:
    """The 2-D network of a configuration, on pictures of so many channels, with fresh weights."""
    if config.architecture == "bn_inception":
        return BNInception(config.width, channels)
    if config.architecture == "inception_v1":
        return InceptionV1(config.width, channels)
    return ResNet(config.architecture, config.width, channels=channels)


class FrameNet(StartsFromPublished):
    """A 2-D network on each frame (or stack of them); a subclass says how they are combined."""

    config: FrameNetConfig

    def __init__(self, config: FrameNetConfig, fused_dim: int | None = None) -> None:
        super().__init__(config)
        self.backbone = frame_network(config, config.in_channels)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(fused_dim or self.backbone.dim, config.n_classes)

    def take_published(self, source: str) -> tuple[str, Pixels]:
        """Put weights into the 2-D network."""
        found = read_published(source)
        return load_whole(self.backbone, found).sentence(), found.pixels

    def forward_maps(self, frames: Tensor) -> Tensor:
        """[B, N · stack, C, S, S] -> a map of features of each segment [B, N, D, h, w]."""
        seen = as_trained(frames, self.config.pixels)
        segments = seen.unflatten(1, (-1, self.config.stack)).flatten(2, 3)  # [B, N, stack · C, S, S]
        maps: Tensor = self.backbone(segments.flatten(0, 1))
        return maps.unflatten(0, segments.shape[:2])

    def forward_frames(self, frames: Tensor) -> Tensor:
        """[B, N · stack, C, S, S] -> a feature of each segment [B, N, D]."""
        maps = self.forward_maps(frames)
        return pooled(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits
