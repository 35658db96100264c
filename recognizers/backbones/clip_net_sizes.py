"""Sizes of the networks that see clips in three dimensions: I3D, and its relatives. No torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dense
from recognizers.backbones.sizes import ModelConfig
from recognizers.weights_io.normalisation import Pixels, require_shown

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer


@dataclass(frozen=True)
class ClipNetConfig(ModelConfig):
    """What they share.

    Attributes:
        n_frames: frames of a clip.
        stride: every how many of the frames one is looked at; 0 spreads them over the whole clip.
        width: channels after the first layer; 64 is the published network's, fewer make a small one.
        head_dropout: before the last layer.
        pixels: what the network's pixels are; weights that it starts from bring theirs.
    """

    n_frames: int = 8
    stride: int = 0
    width: int = 64
    head_dropout: float = 0.5
    pixels: Pixels = field(default="symmetric", kw_only=True)

    adapts_colours: ClassVar[bool] = True

    def __post_init__(self) -> None:
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

    def start_hash(self, source: str) -> str | None:
        """A hash of the weights that the network starts from."""
        from recognizers.backbones.published import start_hash

        return start_hash(source, self.streams)


@dataclass(frozen=True)
class I3DConfig(ClipNetConfig):
    """Inflated 3-D networks: Inception-v1 (Carreira and Zisserman, CVPR'17) or ResNet-50 (Wang et al., CVPR'18).

    Attributes:
        architecture: of the 2-D network that is inflated.
        non_local: five non-local blocks, at res3b, d and res4b, d, f (ResNet-50 only).
    """

    architecture: Literal["inception_v1", "resnet50"] = "inception_v1"
    non_local: bool = False

    family: ClassVar[str] = "i3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.non_local and self.architecture != "resnet50":
            raise GymQAError("non-local blocks stand in ResNet-50; set architecture to resnet50, or non_local to false")
        if self.architecture == "inception_v1" and self.image_size < 32:
            raise GymQAError(f"Inception-v1 sees nothing in {self.image_size} px; set image_size to 32 or more")

    @property
    def tokens(self) -> int:
        """Moments that are left: time is halved three times in Inception-v1, once in ResNet-50."""
        return -(-self.n_frames // (8 if self.architecture == "inception_v1" else 2))

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.i3d import I3D

        return I3D(self)


@dataclass(frozen=True)
class ResNet3DConfig(ClipNetConfig):
    """ResNets in three dimensions (Tran et al., CVPR'18): R3D, or R(2+1)D, whose layers see picture and time in turn.

    Attributes:
        architecture: of the 2-D network.
        factorised: R(2+1)D.
    """

    architecture: Literal["resnet18", "resnet34"] = "resnet18"
    factorised: bool = False

    family: ClassVar[str] = "resnet3d"

    @property
    def tokens(self) -> int:
        """Moments that are left: time is halved three times."""
        return -(-self.n_frames // 8)

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.resnet3d import ResNet3D

        return ResNet3D(self)


@dataclass(frozen=True)
class C3DConfig(ClipNetConfig):
    """C3D (Tran et al., ICCV'15): 3 × 3 × 3 layers, poolings, and two wide layers.

    Attributes:
        wide: units of the two last layers.
    """

    image_size: int = 112
    n_frames: int = 16
    wide: int = 4096

    family: ClassVar[str] = "c3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size < 16 or self.wide < 1:
            raise GymQAError(f"{self}: four poolings leave nothing of fewer than 16 px, and wide is at least 1")

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.c3d import C3D

        return C3D(self)


@dataclass(frozen=True)
class SlowFastConfig(ClipNetConfig):
    """SlowFast (Feichtenhofer et al., ICCV'19) on ResNet-50.

    Attributes:
        alpha: the slow pathway sees every alpha-th of the frames.
        beta: the fast pathway has 1 / beta of the slow one's channels.
    """

    n_frames: int = 32
    alpha: int = 4
    beta: int = 8

    family: ClassVar[str] = "slowfast"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_frames % self.alpha or self.width % self.beta:
            raise GymQAError(
                f"{self.n_frames} frames and {self.width} channels cannot be parted by alpha {self.alpha} and beta "
                f"{self.beta}; choose divisors"
            )

    @property
    def tokens(self) -> int:
        """Moments of the slow pathway."""
        return self.n_frames // self.alpha

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.slowfast import SlowFast

        return SlowFast(self)
