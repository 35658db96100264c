"""TSM: TSN with Temporal Shift Modules in the residual branches, and config (Lin et al., ICCV'19, arXiv 1811.08383)."""

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
    """Shift channels between neighbouring frames, with zeros at the clip's ends.

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
    """Config of TSM (Lin et al., ICCV'19).

    Attributes:
        shifted: 1 / shifted of the channels come from each neighbouring frame.
        causal: shift from the previous frame only, as for online use.
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
        """Build the model with fresh weights."""
        return TSM(self)


class TSM(TSN):
    """TSN with temporal shifts, which add no parameters.

    The shift is over neighbouring segments, so the number of segments must be that of training.
    """

    backbone: ResNet

    def __init__(self, config: TSMConfig) -> None:
        super().__init__(config)
        change = partial(shift, frames=config.segments, shifted=config.shifted, causal=config.causal)
        for block in self.backbone.blocks:
            block.shift = change


def tsm_r50() -> TSMConfig:
    """TSM on ResNet-50 as in FineGym: 8 segments."""
    return TSMConfig(image_size=224, n_classes=GYM99)
