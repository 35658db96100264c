"""Networks that look at every frame by itself with a 2-D network, and combine the frames' features."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dual_level
from recognizers.backbones.image.bn_inception import BNInception
from recognizers.backbones.image.inception_v1 import InceptionV1, require_seen
from recognizers.backbones.image.resnet import ResNet, pooled
from recognizers.backbones.published import PublishedConfig, StartsFromPublished, load_whole, read_published
from recognizers.weights_io.normalisation import Pixels, as_trained, require_shown


class FrameFeatures(NamedTuple):
    """What is known of the frames, and of the clip."""

    tokens: Tensor  # [B, N, F]
    fused: Tensor  # [B, F']


Architecture = Literal["resnet18", "resnet50", "bn_inception", "inception_v1"]


@dataclass(frozen=True)
class FrameNetConfig(PublishedConfig):
    """What they share.

    Attributes:
        architecture: of the 2-D network.
        segments: equal spans of a clip, of which one frame each is looked at.
        stack: frames in a row that are looked at instead of one, as channels of one picture; published two-stream
            networks stack 5 or 10 of flow.
        width: channels after the first layer; 64 is the published network's, fewer make a small one.
        head_dropout: before the last layer.
    """

    architecture: Architecture = "resnet18"
    segments: int = 3
    width: int = 64
    head_dropout: float = 0.5
    stack: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.segments, self.stack, self.width, self.n_classes, self.image_size) < 1:
            raise GymQAError(f"{self}: segments, stack, width, n_classes and image_size are at least 1")
        if self.architecture == "inception_v1":
            require_seen(self.image_size)
        require_shown(self.pixels, self.streams)

    @property
    def elements(self) -> tuple[int, ...]:
        """One, of `stack` frames a segment."""
        return (self.segments * self.stack,)

    @property
    def in_channels(self) -> int:
        """Channels of the pictures that the 2-D network sees."""
        return self.channels * self.stack

    @property
    def tokens(self) -> int:
        """One a segment."""
        return self.segments

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """A frame of each segment, or `stack` in a row from it on; as of ModelConfig."""
        first = max(min(1, n_frames), n_frames - self.stack + 1)  # so many frames a stack can begin with
        starts = np.concatenate(dual_level(first, (self.segments,), rng, within))
        return np.minimum(starts[:, None] + np.arange(self.stack), n_frames - 1).reshape(-1)


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
