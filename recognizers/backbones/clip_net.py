"""3-D networks inflated from 2-D ones: config, base class with average pooling and linear head, loading of weights."""

from abc import abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dense
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.resnet import ResNet
from recognizers.backbones.published import (
    PublishedConfig,
    PublishedRecognizer,
    PublishedWeights,
    load_published,
    read_published,
)
from recognizers.backbones.vit_weights import LoadReport
from recognizers.weights_io.normalisation import Pixels, renormalise, require_pixels


class ClipFeatures(NamedTuple):
    """Features of a clip: tokens of its time steps, and their pooled feature."""

    tokens: Tensor  # [B, T', F] one for each time step after temporal striding
    fused: Tensor  # [B, F]


@dataclass(frozen=True)
class ClipNetConfig(PublishedConfig):
    """Fields that the configs of 3-D networks share.

    Attributes:
        n_frames: frames of a clip.
        stride: step between sampled frames; 0 spreads them evenly over the whole clip.
        width: channels of the first layer: 64 in the published network, fewer for a small one.
        head_dropout: before the last layer.
    """

    n_frames: int = 8
    stride: int = 0
    width: int = 64
    head_dropout: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.n_frames, self.width, self.n_classes, self.image_size) < 1 or self.stride < 0:
            raise GymQAError(f"{self}: n_frames, width, n_classes and image_size are at least 1, stride at least 0")
        require_pixels(self.pixels, self.streams)

    @property
    def elements(self) -> tuple[int, ...]:
        """One element of all frames."""
        return (self.n_frames,)

    @property
    def temporal_extent(self) -> int:
        """(N − 1) · stride + 1 source frames."""
        return (self.n_frames - 1) * max(1, self.stride) + 1

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """Frames at a fixed stride, or spread over the clip; see `ModelConfig.sample`."""
        if not self.stride:
            return super().sample(n_frames, rng, within)
        return dense(n_frames, self.n_frames, self.stride, rng, within)


class ClipNet(PublishedRecognizer):
    """A 2-D network inflated to 3-D; a subclass defines which network and how it is inflated."""

    config: ClipNetConfig
    inflatable = True
    """Whether weights of the 2-D network can be inflated into it."""

    def __init__(self, config: ClipNetConfig) -> None:
        super().__init__(config)
        network_2d = self.network_2d()
        self.backbone = self.inflated(network_2d)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(network_2d.dim, config.n_classes)

    @abstractmethod
    def network_2d(self) -> ResNet | InceptionV1:
        """The 2-D network, with fresh weights."""

    @abstractmethod
    def inflated(self, network_2d: nn.Module) -> nn.Module:
        """The 3-D network inflated from it."""

    def start_from_published(self, source: str) -> tuple[str, Pixels]:
        """Load weights of the 3-D network, or inflate those of the 2-D one."""
        found = read_published(source)
        if not found.is_3d and not self.inflatable:
            raise GymQAError(
                f"{found.source} holds a 2-D network, which cannot be inflated into a factorised one; "
                "give weights of the same network, or set initial to none"
            )
        report = load_inflated(self.backbone, self.network_2d(), self.inflated, found, self.added)
        return report.sentence(), found.pixels

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> features of the time steps, and their mean."""
        seen = renormalise(frames, self.config.pixels).transpose(1, 2)  # [B, C, N, S, S]
        tokens = self.backbone(seen).mean((3, 4)).transpose(1, 2)  # [B, F, T', h, w] -> [B, T', F]
        return ClipFeatures(tokens, tokens.mean(1))


def load_inflated(
    network: nn.Module,
    network_2d: nn.Module,
    inflated: Callable[[nn.Module], nn.Module],
    found: PublishedWeights,
    added: Collection[str] = (),
) -> LoadReport:
    """Load weights into a 3-D network, in place: its own, or those of its 2-D network, inflated.

    Args:
        network: the 3-D network.
        network_2d: a 2-D network, which is overwritten.
        inflated: inflates the 2-D network.
        found: the weights.
        added: tensors of the 3-D network that stay fresh where the weights lack them.

    Raises:
        GymQAError: the weights are of another architecture.
    """
    if found.is_3d:
        return load_published(network, found, added)
    report = load_published(network_2d, found)
    report.resized = [name for name, tensor in network_2d.state_dict().items() if tensor.ndim == 4]
    report.missing = list(added)
    network.load_state_dict(inflated(network_2d).state_dict())
    return report
