"""Networks that see a clip in three dimensions, to a mean over time and picture, and a linear head."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dense
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.resnet import ResNet
from recognizers.backbones.published import Published, PublishedConfig, StartsFromPublished, load_whole, read_published
from recognizers.backbones.vit_weights import LoadReport
from recognizers.weights_io.normalisation import Pixels, as_trained, require_shown


class ClipFeatures(NamedTuple):
    """What is known of a clip, and of its moments."""

    tokens: Tensor  # [B, T', F] one a moment that is left after the strides in time
    fused: Tensor  # [B, F]


@dataclass(frozen=True)
class ClipNetConfig(PublishedConfig):
    """What they share.

    Attributes:
        n_frames: frames of a clip.
        stride: every how many of the frames one is looked at; 0 spreads them over the whole clip.
        width: channels after the first layer; 64 is the published network's, fewer make a small one.
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
        require_shown(self.pixels, self.streams)

    @property
    def elements(self) -> tuple[int, ...]:
        """One, of all frames."""
        return (self.n_frames,)

    @property
    def window(self) -> int:
        """As of ModelConfig."""
        return (self.n_frames - 1) * max(1, self.stride) + 1

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """Frames one after another, or spread over the clip; as of ModelConfig."""
        if not self.stride:
            return super().sample(n_frames, rng, within)
        return dense(n_frames, self.n_frames, self.stride, rng, within)


class ClipNet(StartsFromPublished):
    """A 2-D network put into three dimensions, on the whole clip; a subclass says which, and how."""

    config: ClipNetConfig
    inflatable = True
    """Whether the 2-D network's weights have a place in it."""

    def __init__(self, config: ClipNetConfig) -> None:
        super().__init__(config)
        flat = self.flat()
        self.backbone = self.in_time(flat)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(flat.dim, config.n_classes)

    def flat(self) -> ResNet | InceptionV1:
        """The 2-D network, with fresh weights."""
        raise NotImplementedError

    def in_time(self, flat: nn.Module) -> nn.Module:
        """The 3-D network that is made of it."""
        raise NotImplementedError

    def take_published(self, source: str) -> tuple[str, Pixels]:
        """Put weights of the 3-D network into it, or of the 2-D one."""
        found = read_published(source)
        if not found.in_time and not self.inflatable:
            raise GymQAError(
                f"{found.source} is of a network of pictures, and a factorised one has no layers of its kind; "
                "give weights of the same network, or set initial to none"
            )
        report = load_in_time(self.backbone, self.flat(), self.in_time, found, self.added)
        return report.sentence(), found.pixels

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> features of moments, and their mean."""
        seen = as_trained(frames, self.config.pixels).transpose(1, 2)  # [B, C, N, S, S]
        tokens = self.backbone(seen).mean((3, 4)).transpose(1, 2)  # [B, F, T', h, w] -> [B, T', F]
        return ClipFeatures(tokens, tokens.mean(1))

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits


def load_in_time(
    network: nn.Module,
    flat: nn.Module,
    in_time: Callable[[nn.Module], nn.Module],
    found: Published,
    added: Collection[str] = (),
) -> LoadReport:
    """Put weights of a 3-D network into one, in place, or of the 2-D one that it is made of, repeated over time.

    Args:
        network: the 3-D one.
        flat: a 2-D one, which is overwritten.
        in_time: how the 3-D one is made of it.
        found: the weights.
        added: tensors of the 3-D one that stay fresh where the weights have none of them.

    Raises:
        GymQAError: they are of another architecture.
    """
    if found.in_time:
        return load_whole(network, found, added)
    report = load_whole(flat, found)
    report.resized = [name for name, tensor in flat.state_dict().items() if tensor.ndim == 4]
    report.missing = list(added)
    network.load_state_dict(in_time(flat).state_dict())
    return report
