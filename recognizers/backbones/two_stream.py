"""Two-stream networks on RGB and flow, and configs: late fusion of 2-D networks, 3-D fusion layer, two-stream I3D.

Late fusion adds the streams' class scores, computed as one linear head on the concatenated features. The papers train
the streams apart and average their softmax; `gymqa fuse` does that with the predictions of two recognizers.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality, channels
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipFeatures, ClipNetConfig, load_inflated
from recognizers.backbones.frame_net import FrameFeatures, FrameNetConfig, frame_network
from recognizers.backbones.i3d import inception_inflation
from recognizers.backbones.image.inception_v1 import InceptionV1, require_image_size
from recognizers.backbones.image.inflation import inflate
from recognizers.backbones.image.resnet import pooled
from recognizers.backbones.published import PublishedRecognizer, PublishedWeights, load_published, read_published
from recognizers.backbones.vit_weights import LoadReport
from recognizers.weights_io.normalisation import Pixels, renormalise
from recognizers.weights_io.tensors import sources_of

RGB, FLOW = channels("rgb"), channels("flow")


@dataclass(frozen=True)
class TwoStreamI3DConfig(ClipNetConfig):
    """Config of two-stream I3D (Carreira and Zisserman, CVPR'17): an I3D on RGB and one on flow, late fusion."""

    modality: Modality = field(default="rgb+flow", kw_only=True)

    family: ClassVar[str] = "two_stream_i3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_image_size(self.image_size)
        _require_both(self)

    @property
    def streams(self) -> tuple[Modality, ...]:
        """Modalities of the two networks."""
        return STREAMS

    @property
    def tokens(self) -> int:
        """Time steps after striding: 1 / 8 of the frames."""
        return -(-self.n_frames // 8)

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return TwoStreamI3D(self)


@dataclass(frozen=True)
class TwoStreamConfig(FrameNetConfig):
    """Config of two-stream networks (Simonyan and Zisserman, NIPS'14): RGB frame and stacked flow, late fusion.

    Attributes:
        architecture: of both 2-D networks.
        stack: consecutive flow fields of a segment; the RGB frame is the middle one.
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
        """Modalities of the two networks."""
        return STREAMS

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return TwoStream(self)


class _Streams(PublishedRecognizer):
    """Base class of the three: two networks, dropout, and a linear head.

    Args:
        config: of the recognizer.
        rgb: network of the RGB stream.
        flow: network of the flow stream.
        dim: width of the fused feature.
    """

    def __init__(self, config: TwoStreamConfig | TwoStreamI3DConfig, rgb: nn.Module, flow: nn.Module, dim: int) -> None:
        super().__init__(config)
        self.rgb, self.flow = rgb, flow
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(dim, config.n_classes)

    def start_from_published(self, source: str) -> tuple[str, Pixels]:
        """Load weights into both streams: the same, or one source for each stream."""
        of_rgb, of_flow = sources_of(source, self.config.streams)
        rgb = read_published(of_rgb)
        flow = rgb if of_flow == of_rgb else read_published(of_flow)
        said = f"rgb: {self.load(self.rgb, rgb).sentence()}; flow: {self.load(self.flow, flow).sentence()}"
        return said, rgb.pixels

    def load(self, stream: nn.Module, found: PublishedWeights) -> LoadReport:
        """Load weights into one of the streams, in place."""
        return load_published(stream, found)


class TwoStream(_Streams):
    """2-D networks on the middle RGB frame and the stacked flow fields of each segment, late fusion."""

    config: TwoStreamConfig

    def __init__(self, config: TwoStreamConfig, dim: int | None = None) -> None:
        rgb = frame_network(config, RGB)
        super().__init__(config, rgb, frame_network(config, FLOW * config.stack), dim or 2 * rgb.dim)

    def forward_maps(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N · stack, 5, S, S] -> the streams' last feature maps, [B · N, D, h, w] each."""
        segments = frames.unflatten(1, (-1, self.config.stack)).flatten(0, 1)  # [B · N, stack, 5, S, S]
        middle = segments[:, self.config.stack // 2, :RGB]
        return self.rgb(renormalise(middle, self.config.pixels)), self.flow(segments[:, :, RGB:].flatten(1, 2))

    def forward_features(self, frames: Tensor) -> FrameFeatures | ClipFeatures:
        """[B, N · stack, 5, S, S] -> concatenated features of the segments, and their mean."""
        both = torch.cat([pooled(one) for one in self.forward_maps(frames)], -1)  # [B · N, 2 D]
        tokens = both.unflatten(0, (len(frames), -1))
        return FrameFeatures(tokens, tokens.mean(1))


@dataclass(frozen=True)
class Fused3DConfig(TwoStreamConfig):
    """Config of 3D-fused two-stream (Carreira and Zisserman, CVPR'17, 2.3): a 3-D layer on both streams' last maps.

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
        """Time steps after the pooling of stride 2."""
        return (self.segments + 1) // 2

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return TwoStream3DFused(self)


class TwoStream3DFused(TwoStream):
    """A 3 × 3 × 3 convolution and pooling of stride 2 over both streams' last maps of all segments."""

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
    """An I3D on Inception-v1 for each stream."""

    config: TwoStreamI3DConfig

    def __init__(self, config: TwoStreamI3DConfig) -> None:
        rgb, flow = InceptionV1(config.width, RGB), InceptionV1(config.width, FLOW)
        super().__init__(config, _inflated(rgb), _inflated(flow), rgb.dim + flow.dim)

    def load(self, stream: nn.Module, found: PublishedWeights) -> LoadReport:
        """Load weights of an I3D into one of the streams, or inflate those of an Inception-v1."""
        network_2d = InceptionV1(self.config.width, RGB if stream is self.rgb else FLOW)
        return load_inflated(stream, network_2d, _inflated, found)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, 5, S, S] -> concatenated features of the time steps, and their mean."""
        inputs = renormalise(frames[:, :, :RGB], self.config.pixels), frames[:, :, RGB:]
        rgb, flow = (one.transpose(1, 2) for one in inputs)  # [B, 3 or 2, N, S, S]
        maps = torch.cat([self.rgb(rgb), self.flow(flow)], 1)  # [B, 2 F, T', h, w]
        tokens = maps.mean((3, 4)).transpose(1, 2)
        return ClipFeatures(tokens, tokens.mean(1))


def _inflated(network_2d: nn.Module) -> nn.Module:
    """Inception-v1 inflated to 3-D."""
    return inflate(network_2d, inception_inflation)


STREAMS: tuple[Modality, ...] = ("rgb", "flow")
"""Modalities of the two networks; the config's `pixels` are those of the first."""


def _require_both(config: TwoStreamConfig | TwoStreamI3DConfig) -> None:
    """Require the modality rgb+flow.

    The default rgb is replaced by rgb+flow: `--training.model TwoStreamConfig` keeps it from the family configured
    before.

    Raises:
        GymQAError: another modality was set.
    """
    if config.modality == "rgb":
        object.__setattr__(config, "modality", "rgb+flow")
    if config.modality != "rgb+flow":
        raise GymQAError(f"a {config.family} sees rgb+flow, not {config.modality}; leave model.modality out")


def two_stream() -> TwoStreamConfig:
    """Two-stream as in I3D's paper: one frame with 10 flow fields."""
    return TwoStreamConfig(image_size=224, n_classes=GYM99)


def two_stream_bn_inception() -> TwoStreamConfig:
    """Two-stream TSN as in FineGym: 3 segments of 5 flow fields."""
    return TwoStreamConfig(
        image_size=224, architecture="bn_inception", segments=3, stack=5, head_dropout=0.8, n_classes=GYM99
    )


def two_stream_3d_fused() -> Fused3DConfig:
    """3D-fused two-stream: 5 frames with 10 flow fields each."""
    return Fused3DConfig(image_size=224, n_classes=GYM99)


def two_stream_i3d() -> TwoStreamI3DConfig:
    """Two-stream I3D: 64 consecutive frames and their flow."""
    return TwoStreamI3DConfig(image_size=224, n_frames=64, stride=1, n_classes=GYM99)
