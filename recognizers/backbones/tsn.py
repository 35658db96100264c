"""TSN: Temporal Segment Networks (Wang et al., ECCV'16, arXiv 1608.00859), with the average as segment consensus."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import FrameFeatures, FrameNet, FrameNetConfig


class TSN(FrameNet):
    """Every segment's frame is seen by the same 2-D network, and their scores are averaged.

    The mean is taken of the features instead of the scores: the same number, for the last layer is linear, and one
    draw of dropout a clip. The order of the frames does not matter.
    """

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, C, S, S] -> features of the frames, and their mean."""
        tokens = self.forward_frames(frames)
        return FrameFeatures(tokens, tokens.mean(1))


@dataclass(frozen=True)
class TSNConfig(FrameNetConfig):
    """Temporal Segment Networks (Wang et al., ECCV'16): the mean over segments."""

    family: ClassVar[str] = "tsn"

    def build(self) -> "Recognizer":
        """The model of these sizes, with fresh weights."""
        return TSN(self)


def tsn_bn_inception() -> TSNConfig:
    """TSN as in FineGym: 3 segments."""
    return TSNConfig(image_size=224, architecture="bn_inception", head_dropout=0.8, n_classes=GYM99)


def tsn_r50() -> TSNConfig:
    """TSN on ResNet-50."""
    return TSNConfig(image_size=224, architecture="resnet50", n_classes=GYM99)
