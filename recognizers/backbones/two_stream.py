"""Networks of two streams, frames and flow: late fusion, fusion by a 3-D layer, and two I3Ds.

Late fusion adds the streams' class scores, which is one linear head on both features side by side. The papers train the
streams apart and average their softmax; `gymqa fuse` does that with the predictions of two recognizers.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, channels
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipFeatures, ClipNetConfig, load_in_time
from recognizers.backbones.frame_net import FrameFeatures, FrameNetConfig, frame_network
from recognizers.backbones.i3d import inception_in_time
from recognizers.backbones.image.inception_v1 import InceptionV1, require_seen
from recognizers.backbones.image.inflation import inflate
from recognizers.backbones.image.resnet import pooled
from recognizers.backbones.published import Published, StartsFromPublished, load_whole, read_published
from recognizers.backbones.vit_weights import LoadReport
from recognizers.weights_io.normalisation import Pixels, as_trained
from recognizers.weights_io.tensors import sources_of

RGB, FLOW = channels("rgb"), channels("flow")


@dataclass(frozen=True)
class TwoStreamI3DConfig(ClipNetConfig):
    """Two-stream I3D (Carreira and Zisserman, CVPR'17): an I3D on frames and one on flow, late fusion."""

    modality: Modality = field(default="rgb+flow", kw_only=True)

    family: ClassVar[str] = "two_stream_i3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_seen(self.image_size)
        _require_both(self)

    @property
    def streams(self) -> tuple[Modality, ...]:
        """What each of the two networks sees."""
        return STREAMS

    @property
    def tokens(self) -> int:
        """Moments that are left: time is halved three times."""
        return -(-self.n_frames // 8)

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        return TwoStreamI3D(self)


@dataclass(frozen=True)
class TwoStreamConfig(FrameNetConfig):
    """Two-stream networks (Simonyan and Zisserman, NIPS'14): a network on frames, one on stacked flow, late fusion.

    Attributes:
        architecture: of both 2-D networks.
        stack: fields of flow in a row that one segment shows; the frame is the middle one's.
    """

    architecture: Literal["inception_v1", "bn_inception", "resnet18", "resnet50"] = "inception_v1"  # type: ignore[assignment]
    segments: int = 1
    stack: int = field(default=10, kw_only=True)
    modality: Modality = field(default="rgb+flow", kw_only=True)

    family: ClassVar[str] = "two_stream"

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_both(self)

    @property
    def streams(self) -> tuple[Modality, ...]:
        """What each of the two networks sees."""
        return STREAMS

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        return TwoStream(self)


class _Streams(StartsFromPublished):
    """What the three share: two networks, and a head behind dropout.

    Args:
        config: sizes.
        rgb: sees frames.
        flow: sees flow.
        dim: of the fused feature.
    """

    def __init__(self, config: TwoStreamConfig | TwoStreamI3DConfig, rgb: nn.Module, flow: nn.Module, dim: int) -> None:
        super().__init__(config)
        self.rgb, self.flow = rgb, flow
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(dim, config.n_classes)

    def take_published(self, source: str) -> tuple[str, Pixels]:
        """Put weights into both streams: the same, or those of a network of frames and those of one of flow."""
        of_rgb, of_flow = sources_of(source, self.config.streams)
        rgb = read_published(of_rgb)
        flow = rgb if of_flow == of_rgb else read_published(of_flow)
        said = f"rgb: {self.load(self.rgb, rgb).sentence()}; flow: {self.load(self.flow, flow).sentence()}"
        return said, rgb.pixels

    def load(self, stream: nn.Module, found: Published) -> LoadReport:
        """Put weights into one of the streams, in place."""
        return load_whole(stream, found)

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits


class TwoStream(_Streams):
    """A segment's middle frame in one stream, its fields of flow, stacked as channels, in the other."""

    config: TwoStreamConfig

    def __init__(self, config: TwoStreamConfig, dim: int | None = None) -> None:
        rgb = frame_network(config, RGB)
        super().__init__(config, rgb, frame_network(config, FLOW * config.stack), dim or 2 * rgb.dim)

    def forward_maps(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N · stack, 5, S, S] -> the streams' last maps, [B · N, D, h, w] each."""
        segments = frames.unflatten(1, (-1, self.config.stack)).flatten(0, 1)  # [B · N, stack, 5, S, S]
        middle = segments[:, self.config.stack // 2, :RGB]
        return self.rgb(as_trained(middle, self.config.pixels)), self.flow(segments[:, :, RGB:].flatten(1, 2))

    def forward_features(self, frames: Tensor) -> FrameFeatures | ClipFeatures:
        """[B, N · stack, 5, S, S] -> both streams' features of the segments, and their mean."""
        both = torch.cat([pooled(one) for one in self.forward_maps(frames)], -1)  # [B · N, 2 D]
        tokens = both.unflatten(0, (len(frames), -1))
        return FrameFeatures(tokens, tokens.mean(1))


@dataclass(frozen=True)
class Fused3DConfig(TwoStreamConfig):
    """3D-fused two-stream (Carreira and Zisserman, CVPR'17, 2.3): both streams' last maps go through a 3-D layer.

    Attributes:
        fused_dim: channels of that layer.
    """

    segments: int = 5
    fused_dim: int = 512

    family: ClassVar[str] = "two_stream_3d_fused"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fused_dim < 1:
            raise GymQAError(f"{self}: fused_dim is at least 1")

    @property
    def tokens(self) -> int:
        """Moments that the pooling behind the layer leaves: every other."""
        return (self.segments + 1) // 2

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        return TwoStream3DFused(self)


class TwoStream3DFused(TwoStream):
    """Both streams' last maps, of all segments, through a 3 × 3 × 3 layer and a 3 × 3 × 3 pooling of stride 2."""

    config: Fused3DConfig

    def __init__(self, config: Fused3DConfig) -> None:
        super().__init__(config, config.fused_dim)
        d_in = sum(int(getattr(stream, "dim")) for stream in (self.rgb, self.flow))  # noqa: B009  modules by their type
        self.fusion = nn.Conv3d(d_in, config.fused_dim, 3, padding=1)
        self.pool = nn.MaxPool3d(3, 2, 1)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N · stack, 5, S, S] -> features of every other segment, and their mean."""
        maps = torch.cat(self.forward_maps(frames), 1)  # [B · N, 2 D, h, w]
        clip = maps.unflatten(0, (len(frames), -1)).transpose(1, 2)  # [B, 2 D, N, h, w]
        tokens = self.pool(F.relu(self.fusion(clip))).mean((3, 4)).transpose(1, 2)  # [B, (N + 1) / 2, F]
        return ClipFeatures(tokens, tokens.mean(1))


class TwoStreamI3D(_Streams):
    """An I3D on Inception-v1 in each stream."""

    config: TwoStreamI3DConfig

    def __init__(self, config: TwoStreamI3DConfig) -> None:
        rgb, flow = InceptionV1(config.width, RGB), InceptionV1(config.width, FLOW)
        super().__init__(config, _in_time(rgb), _in_time(flow), rgb.dim + flow.dim)

    def load(self, stream: nn.Module, found: Published) -> LoadReport:
        """Put weights of an I3D into one of the streams, or of an Inception-v1, each filter repeated over time."""
        flat = InceptionV1(self.config.width, RGB if stream is self.rgb else FLOW)
        return load_in_time(stream, flat, _in_time, found)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, 5, S, S] -> both streams' features of moments, and their mean."""
        seen = as_trained(frames[:, :, :RGB], self.config.pixels), frames[:, :, RGB:]
        rgb, flow = (one.transpose(1, 2) for one in seen)  # [B, 3 or 2, N, S, S]
        maps = torch.cat([self.rgb(rgb), self.flow(flow)], 1)  # [B, 2 F, T', h, w]
        tokens = maps.mean((3, 4)).transpose(1, 2)
        return ClipFeatures(tokens, tokens.mean(1))


def _in_time(flat: nn.Module) -> nn.Module:
    """Inception-v1 in three dimensions."""
    return inflate(flat, inception_in_time)


STREAMS: tuple[Modality, ...] = ("rgb", "flow")
"""What the networks of each see, in their order; `pixels` are those of the first."""


def _require_both(config: TwoStreamConfig | TwoStreamI3DConfig) -> None:
    """Refuse a single stream.

    rgb, what a model sees that is told nothing, becomes rgb+flow: `--training.model TwoStreamConfig` brings it along
    from the family that stood there before.

    Raises:
        GymQAError: another modality was set.
    """
    if config.modality == "rgb":
        object.__setattr__(config, "modality", "rgb+flow")
    if config.modality != "rgb+flow":
        raise GymQAError(f"a {config.family} sees rgb+flow, not {config.modality}; leave model.modality out")


def two_stream() -> TwoStreamConfig:
    """Two-stream as in I3D's paper: a frame, and 10 fields of flow around it."""
    return TwoStreamConfig(image_size=224, n_classes=GYM99)


def two_stream_bn_inception() -> TwoStreamConfig:
    """TSN of two streams as in FineGym: 3 segments, 5 fields of flow each."""
    return TwoStreamConfig(
        image_size=224, architecture="bn_inception", segments=3, stack=5, head_dropout=0.8, n_classes=GYM99
    )


def two_stream_3d_fused() -> Fused3DConfig:
    """3D-fused two-stream: 5 frames, and 10 fields of flow around each."""
    return Fused3DConfig(image_size=224, n_classes=GYM99)


def two_stream_i3d() -> TwoStreamI3DConfig:
    """Two-stream I3D: 64 frames in a row, and their flow."""
    return TwoStreamI3DConfig(image_size=224, n_frames=64, stride=1, n_classes=GYM99)
