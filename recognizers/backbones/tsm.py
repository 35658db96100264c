"""TSM: Temporal Shift Module (Lin et al., ICCV'19, arXiv 1811.08383), in the residual branch of every block."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import FrameNetConfig
from recognizers.backbones.image.resnet import ResNet
from recognizers.backbones.tsn import TSN


def shift(x: Tensor, frames: int, shifted: int, causal: bool = False) -> Tensor:
    """Exchange channels with the neighbours in time; what would come from outside the clip is 0.

    Args:
        x: [B · frames, C, H, W], frame after frame.
        frames: N.
        shifted: the first C / shifted channels come from the next frame, as many behind them from the one before.
        causal: the first C / shifted channels come from the frame before, and none from the next.
    """
    clips = x.unflatten(0, (-1, frames))
    part = clips.shape[2] // shifted
    out = clips.clone()
    if causal:
        out[:, 1:, :part], out[:, 0, :part] = clips[:, :-1, :part], 0
        return out.flatten(0, 1)
    out[:, :-1, :part], out[:, -1, :part] = clips[:, 1:, :part], 0
    out[:, 1:, part : 2 * part], out[:, 0, part : 2 * part] = clips[:, :-1, part : 2 * part], 0
    return out.flatten(0, 1)


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
        return TSM(self)


class TSM(TSN):
    """TSN whose frames see their neighbours, without a parameter more.

    It is made for the number of frames it was trained with: the shift spans one segment.
    """

    backbone: ResNet

    def __init__(self, config: TSMConfig) -> None:
        super().__init__(config)
        change = partial(shift, frames=config.segments, shifted=config.shifted, causal=config.causal)
        for block in self.backbone.blocks:
            block.shift = change


def tsm_r50() -> TSMConfig:
    """TSM as in FineGym: 8 segments; no parameter more than TSN."""
    return TSMConfig(image_size=224, n_classes=GYM99)
