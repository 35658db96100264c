"""Sizes of the networks that see skeletons: ST-GCN. No torch."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices, dense
from gymqa.frames.skeletons import skeleton_named
from recognizers.backbones.sizes import ModelConfig

if TYPE_CHECKING:
    from recognizers.backbones.base import Recognizer


@dataclass(frozen=True)
class STGCNConfig(ModelConfig):
    """ST-GCN (Yan et al., AAAI'18, arXiv 1801.07455); the defaults are the published network's on COCO's joints.

    Attributes:
        image_size: of no meaning: a joint's coordinates are shares of the picture.
        n_frames: frames of a clip; spread over it, a short clip's come several times.
        stride: every how many of the frames one is looked at; 0 spreads them over the whole clip.
        width: channels of the first four blocks; the next three have twice, the last three four times as many.
        kernel: frames that a block's layer over time sees, an odd number.
        skeleton: whose joints: coco17, gymsim15 or openpose18.
        dropout: behind each block's layer over time, but the first's.
        head_dropout: before the last layer, where the published network has none; algorithms that ask the teacher
            several times need it.
    """

    image_size: int = 1
    n_frames: int = 100
    stride: int = 0
    width: int = 64
    kernel: int = 9
    skeleton: str = "coco17"
    dropout: float = 0.5
    head_dropout: float = 0.5
    modality: Modality = field(default="pose", init=False)

    family: ClassVar[str] = "stgcn"

    def __post_init__(self) -> None:
        skeleton_named(self.skeleton)
        if min(self.n_frames, self.width, self.n_classes) < 1 or self.stride < 0 or self.kernel % 2 != 1:
            raise GymQAError(f"{self}: n_frames, width and n_classes are at least 1, stride at least 0, kernel is odd")

    @property
    def elements(self) -> tuple[int, ...]:
        """One, of all frames."""
        return (self.n_frames,)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """One frame's skeleton: (J, 3)."""
        return (len(skeleton_named(self.skeleton)), self.channels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One clip as the model sees it: (N, J, 3)."""
        return (self.frames, *self.frame_shape)

    @property
    def joints_of(self) -> str:
        """The skeleton."""
        return self.skeleton

    @property
    def mix_parts(self) -> int:
        """Joints, which TokenMix exchanges."""
        return self.frame_shape[0]

    @property
    def tokens(self) -> int:
        """Moments that are left: time is halved twice."""
        return -(-self.n_frames // 4)

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """Frames one after another, or spread over the clip; as of ModelConfig."""
        if not self.stride:
            return super().sample(n_frames, rng, within)
        return dense(n_frames, self.n_frames, self.stride, rng, within)

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        from recognizers.backbones.stgcn import STGCN

        return STGCN(self)
