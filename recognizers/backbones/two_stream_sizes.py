"""Sizes of the networks that see frames and their flow in two streams, as I3D's paper compares them. No torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from recognizers.backbones.clip_net_sizes import ClipNetConfig
from recognizers.backbones.frame_net_sizes import FrameNetConfig

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer

STREAMS: tuple[Modality, ...] = ("rgb", "flow")
"""What the networks of each see, in their order; `pixels` are those of the first."""


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
        _check(self, self.architecture)

    @property
    def streams(self) -> tuple[Modality, ...]:
        """What each of the two networks sees."""
        return STREAMS

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.two_stream import TwoStream

        return TwoStream(self)


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
        from recognizers.backbones.two_stream import TwoStream3DFused

        return TwoStream3DFused(self)


@dataclass(frozen=True)
class TwoStreamI3DConfig(ClipNetConfig):
    """Two-stream I3D (Carreira and Zisserman, CVPR'17): an I3D on frames and one on flow, late fusion."""

    modality: Modality = field(default="rgb+flow", kw_only=True)

    family: ClassVar[str] = "two_stream_i3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self, "inception_v1")

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
        from recognizers.backbones.two_stream import TwoStreamI3D

        return TwoStreamI3D(self)


def _check(config: TwoStreamConfig | TwoStreamI3DConfig, architecture: str) -> None:
    """Refuse one stream, and pictures that Inception-v1 sees nothing in.

    rgb, what a model sees that is told nothing, becomes rgb+flow: `--training.model TwoStreamConfig` brings it along
    from the family that stood there before.

    Raises:
        GymQAError: one of these.
    """
    if config.modality == "rgb":
        object.__setattr__(config, "modality", "rgb+flow")
    if config.modality != "rgb+flow":
        raise GymQAError(f"a {config.family} sees rgb+flow, not {config.modality}; leave model.modality out")
    if architecture == "inception_v1" and config.image_size < 32:
        raise GymQAError(f"Inception-v1 sees nothing in {config.image_size} px; set image_size to 32 or more")
