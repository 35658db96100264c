"""Sizes of the networks that see single frames in two dimensions, and then combine them: TSN, TRN, …. No torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dual_level
from recognizers.backbones.sizes import ModelConfig
from recognizers.weights_io.normalisation import Pixels, require_shown

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer

Architecture = Literal["resnet18", "resnet50", "bn_inception", "inception_v1"]


@dataclass(frozen=True)
class FrameNetConfig(ModelConfig):
    """What they share.

    Attributes:
        architecture: of the 2-D network.
        segments: equal spans of a clip, of which one frame each is looked at.
        stack: frames in a row that are looked at instead of one, as channels of one picture; published two-stream
            networks stack 5 or 10 of flow.
        width: channels after the first layer; 64 is the published network's, fewer make a small one.
        head_dropout: before the last layer.
        pixels: what the 2-D network's pixels are; weights that it starts from bring theirs.
    """

    architecture: Architecture = "resnet18"
    segments: int = 3
    width: int = 64
    head_dropout: float = 0.5
    pixels: Pixels = field(default="symmetric", kw_only=True)
    stack: int = field(default=1, kw_only=True)

    adapts_colours: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if min(self.segments, self.stack, self.width, self.n_classes, self.image_size) < 1:
            raise GymQAError(f"{self}: segments, stack, width, n_classes and image_size are at least 1")
        if self.architecture == "inception_v1" and self.image_size < 32:
            raise GymQAError(f"Inception-v1 sees nothing in {self.image_size} px; set image_size to 32 or more")
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

    def start_hash(self, source: str) -> str | None:
        """A hash of the weights that the 2-D network starts from."""
        from recognizers.backbones.published import start_hash

        return start_hash(source, self.streams)

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """A frame of each segment, or `stack` in a row from it on; as of ModelConfig."""
        first = max(min(1, n_frames), n_frames - self.stack + 1)  # so many frames a stack can begin with
        starts = np.concatenate(dual_level(first, (self.segments,), rng, within))
        return np.minimum(starts[:, None] + np.arange(self.stack), n_frames - 1).reshape(-1)


@dataclass(frozen=True)
class TSNConfig(FrameNetConfig):
    """Temporal Segment Networks (Wang et al., ECCV'16): the mean over segments."""

    family: ClassVar[str] = "tsn"

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.tsn import TSN

        return TSN(self)


@dataclass(frozen=True)
class TRNConfig(FrameNetConfig):
    """Temporal Relation Networks (Zhou et al., ECCV'18): a function of the frames in their order.

    Attributes:
        multi_scale: relations of 2, 3, … and all frames, instead of all frames only.
        subsets: sets of frames for each number of them, where there are so many.
        frame_dim: width of a frame's feature.
        relation_dim: width of a relation's; the release's is 256 with several scales.
        frame_dropout: before the frames' features are made.
        head_dropout: before the last layer, where the release has none; algorithms that ask the teacher several times
            need some.
    """

    segments: int = 8
    multi_scale: bool = False
    subsets: int = 3
    frame_dim: int = 256
    relation_dim: int = 512
    frame_dropout: float = field(default=0.5, kw_only=True)

    family: ClassVar[str] = "trn"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segments < 2 or min(self.subsets, self.frame_dim, self.relation_dim) < 1:
            raise GymQAError(f"{self}: a relation needs 2 frames or more, and subsets and widths of at least 1")

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.trn import TRN

        return TRN(self)


@dataclass(frozen=True)
class TSMConfig(FrameNetConfig):
    """Temporal Shift Module (Lin et al., ICCV'19): channels of a frame are exchanged for its neighbours'.

    Attributes:
        shifted: 1 / this share of the channels comes from each neighbour.
        causal: from the frame before only, as for a live picture.
    """

    architecture: Literal["resnet18", "resnet50"] = "resnet50"  # type: ignore[assignment]
    segments: int = 8
    shifted: int = 8
    causal: bool = False

    family: ClassVar[str] = "tsm"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shifted < (1 if self.causal else 2) or self.width % self.shifted:
            raise GymQAError(f"1/{self.shifted} of {self.width} channels cannot be shifted; choose a divisor of width")

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.tsm import TSM

        return TSM(self)


@dataclass(frozen=True)
class ActionVLADConfig(FrameNetConfig):
    """ActionVLAD (Girdhar et al., CVPR'17): which of k kinds of places the clip shows, and how they differ from these.

    Attributes:
        clusters: k.
        sharpness: α of the soft assignment; the larger, the more a place belongs to its nearest centre only.
        head_first: share of the training, at its begin (after a pre-training), in which nothing but the head learns.
    """

    architecture: Architecture = "bn_inception"
    segments: int = 25
    clusters: int = 64
    sharpness: float = 1000.0
    head_first: float = 0.5

    family: ClassVar[str] = "actionvlad"
    prepared: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clusters < 1 or self.sharpness <= 0 or not 0 <= self.head_first < 1:
            raise GymQAError(f"{self}: clusters are at least 1, sharpness more than 0, head_first from 0 to below 1")

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.action_vlad import ActionVLAD

        return ActionVLAD(self)


@dataclass(frozen=True)
class FrameLSTMConfig(FrameNetConfig):
    """ConvNet+LSTM, as I3D's paper compares itself with (Carreira and Zisserman, CVPR'17): frames read one by one.

    Attributes:
        hidden: units of the LSTM.
        outputs: what the head sees, and so the loss: the mean of the outputs at all frames, or the last frame's.
    """

    architecture: Architecture = "inception_v1"
    segments: int = 25
    hidden: int = 512
    outputs: Literal["all", "last"] = "all"

    family: ClassVar[str] = "lstm"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden < 1:
            raise GymQAError(f"{self}: hidden is at least 1")

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.conv_lstm import FrameLSTM

        return FrameLSTM(self)
