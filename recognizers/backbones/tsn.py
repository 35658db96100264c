"""TSN: Temporal Segment Network with average consensus (ECCV'16, arXiv 1608.00859), and config (one family a file)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import FrameFeatures, FrameNet, FrameNetConfig


class TSN(FrameNet):
    """A shared 2-D network on one frame of each segment, averaged over segments.

    Features are averaged instead of scores: equal, since the head is linear, with one dropout mask for each clip.
    Invariant to the order of frames.
    """

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, C, S, S] -> frame features, and their mean."""
        tokens = self.forward_frames(frames)
        return FrameFeatures(tokens, tokens.mean(1))


@dataclass(frozen=True)
class TSNConfig(FrameNetConfig):
    """Config of TSN (Wang et al., ECCV'16)."""

    family: ClassVar[str] = "tsn"

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return TSN(self)


def tsn_bn_inception() -> TSNConfig:
    """TSN on BN-Inception as in FineGym: 3 segments."""
    return TSNConfig(image_size=224, architecture="bn_inception", head_dropout=0.8, n_classes=GYM99)


def tsn_r50() -> TSNConfig:
    """TSN on ResNet-50: 3 segments."""
    return TSNConfig(image_size=224, architecture="resnet50", n_classes=GYM99)
