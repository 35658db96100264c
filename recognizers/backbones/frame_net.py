"""Recognizers that apply a 2-D network to each frame and combine the features: config and base class."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dual_level
from recognizers.backbones.image.bn_inception import BNInception
from recognizers.backbones.image.inception_v1 import InceptionV1, require_image_size
from recognizers.backbones.image.resnet import ResNet, pooled
from recognizers.backbones.published import PublishedConfig, PublishedRecognizer, load_published, read_published
from recognizers.weights_io.normalisation import Pixels, renormalise, require_pixels


class FrameFeatures(NamedTuple):
    """Features of the frames, and the fused feature of the clip."""

    tokens: Tensor  # [B, N, F]
    fused: Tensor  # [B, F']


Architecture = Literal["resnet18", "resnet50", "bn_inception", "inception_v1"]


@dataclass(frozen=True)
class FrameNetConfig(PublishedConfig):
    """Fields that the configs of frame-wise networks share.

    Attributes:
        architecture: of the 2-D network.
        segments: equal spans of a clip, of which one frame each is sampled.
        stack: consecutive frames stacked as input channels of each segment; published two-stream networks stack 5
            or 10 flow fields.
        width: channels of the first layer: 64 in the published network, fewer for a small one.
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
            require_image_size(self.image_size)
        require_pixels(self.pixels, self.streams)

    @property
    def elements(self) -> tuple[int, ...]:
        """One element of `stack` frames for each segment."""
        return (self.segments * self.stack,)

    @property
    def in_channels(self) -> int:
        """Input channels of the 2-D network."""
        return self.channels * self.stack

    @property
    def tokens(self) -> int:
        """One for each segment."""
        return self.segments

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """One frame of each segment, or `stack` consecutive ones; see `ModelConfig.sample`."""
        first = max(min(1, n_frames), n_frames - self.stack + 1)  # number of possible first frames of a stack
        starts = np.concatenate(dual_level(first, (self.segments,), rng, within))
        return np.minimum(starts[:, None] + np.arange(self.stack), n_frames - 1).reshape(-1)


def frame_network(config: FrameNetConfig, channels: int) -> ResNet | BNInception | InceptionV1:
    """The config's 2-D network with this number of input channels, and fresh weights."""
    if config.architecture == "bn_inception":
        return BNInception(config.width, channels)
    if config.architecture == "inception_v1":
        return InceptionV1(config.width, channels)
    return ResNet(config.architecture, config.width, channels=channels)


class FrameNet(PublishedRecognizer):
    """A 2-D network on each frame (or stack of frames); a subclass combines the features."""

    config: FrameNetConfig

    def __init__(self, config: FrameNetConfig, fused_dim: int | None = None) -> None:
        super().__init__(config)
        self.backbone = frame_network(config, config.in_channels)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(fused_dim or self.backbone.dim, config.n_classes)

    def start_from_published(self, source: str) -> tuple[str, Pixels]:
        """Load weights into the 2-D network."""
        found = read_published(source)
        return load_published(self.backbone, found).sentence(), found.pixels

    def forward_maps(self, frames: Tensor) -> Tensor:
        """[B, N · stack, C, S, S] -> a feature map of each segment [B, N, D, h, w]."""
        pixels = renormalise(frames, self.config.pixels)
        segments = pixels.unflatten(1, (-1, self.config.stack)).flatten(2, 3)  # [B, N, stack · C, S, S]
        maps: Tensor = self.backbone(segments.flatten(0, 1))
        return maps.unflatten(0, segments.shape[:2])

    def forward_frames(self, frames: Tensor) -> Tensor:
        """[B, N · stack, C, S, S] -> a feature of each segment [B, N, D]."""
        maps = self.forward_maps(frames)
        return pooled(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
