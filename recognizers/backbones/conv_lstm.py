"""ConvNet+LSTM: an LSTM over frame features, and its config (Carreira and Zisserman, CVPR'17, arXiv 1705.07750).

Kept: 512 units after the last pooling of Inception-v1, batch norm, a linear head. Left out: the paper normalises
inside the LSTM's steps (Cooijmans et al., 2016), here its input is normalised; and the paper sums the losses of all
frames' outputs and tests on the last one, here training and test use the same output: their mean, or the last.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import Architecture, FrameFeatures, FrameNet, FrameNetConfig


@dataclass(frozen=True)
class FrameLSTMConfig(FrameNetConfig):
    """Config of ConvNet+LSTM, a baseline of I3D's paper (Carreira and Zisserman, CVPR'17).

    Attributes:
        hidden: units of the LSTM.
        outputs: input of the head: the mean of the outputs at all frames, or the last frame's.
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
        """Build the model with fresh weights."""
        return FrameLSTM(self)


class FrameLSTM(FrameNet):
    """An LSTM over the frames' features; see FrameLSTMConfig."""

    config: FrameLSTMConfig

    def __init__(self, config: FrameLSTMConfig) -> None:
        super().__init__(config, config.hidden)
        self.norm = nn.BatchNorm1d(self.backbone.dim)
        self.lstm = nn.LSTM(self.backbone.dim, config.hidden, batch_first=True)

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, 3, S, S] -> LSTM outputs [B, N, F], and the clip feature [B, F]."""
        features = self.forward_frames(frames)  # [B, N, D]
        tokens, _ = self.lstm(self.norm(features.flatten(0, 1)).view_as(features))
        return FrameFeatures(tokens, tokens.mean(1) if self.config.outputs == "all" else tokens[:, -1])


def lstm_inception() -> FrameLSTMConfig:
    """ConvNet+LSTM on Inception-v1: 25 segments, as many frames as in I3D's paper."""
    return FrameLSTMConfig(image_size=224, n_classes=GYM99)
