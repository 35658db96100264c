"""SlowFast (Feichtenhofer et al., ICCV'19, arXiv 1812.03982) on ResNet-50."""

import re
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipFeatures, ClipNetConfig
from recognizers.backbones.image.inflation import InTime, TimeConv3d, inflate
from recognizers.backbones.image.resnet import ResNet
from recognizers.weights_io.normalisation import as_trained

STAGES = ("layer1", "layer2", "layer3", "layer4")
LATERAL = 7
"""Frames that a lateral connection sees at once, as in the released model of 8 slow frames; the paper says 5."""


def slow_in_time(name: str, module: nn.Module) -> InTime:
    """Single frames, but for the first layer of every block of the last two stages, which sees 3."""
    return InTime(3 if re.fullmatch(r"layer[34]\.\d\.conv1", name) else 1)


def fast_in_time(name: str, module: nn.Module) -> InTime:
    """5 frames in the first layer, 3 in the first layer of every block."""
    return InTime(5 if name == "conv1" else 3 if re.fullmatch(r"layer\d\.\d\.conv1", name) else 1)


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
        return SlowFast(self)


class SlowFast(Recognizer):
    """A slow pathway of few frames and many channels, which is told at every stage what a fast, thin one sees."""

    config: SlowFastConfig

    def __init__(self, config: SlowFastConfig) -> None:
        super().__init__(config)
        thin = config.width // config.beta
        told = [2 * thin, *(2 * thin * 4 * 2**stage for stage in range(3))]  # channels told before each stage
        self.slow = inflate(ResNet("resnet50", config.width, told, config.channels), slow_in_time)
        fast = ResNet("resnet50", thin, channels=config.channels)
        self.fast = inflate(fast, fast_in_time)
        self.lateral = nn.ModuleList(
            nn.Sequential(
                TimeConv3d(width // 2, width, (LATERAL, 1, 1), (config.alpha, 1, 1), bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            )
            for width in told
        )
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(32 * config.width + fast.dim, config.n_classes)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> both pathways' features at the slow one's moments, and both's means over the clip."""
        fast = as_trained(frames, self.config.pixels).transpose(1, 2)  # [B, C, N, S, S]
        slow = fast[:, :, :: self.config.alpha]
        slow, fast = _stem(self.slow, slow), _stem(self.fast, fast)
        for stage, lateral in zip(STAGES, self.lateral, strict=True):
            slow = self.slow.get_submodule(stage)(torch.cat([slow, lateral(fast)], 1))
            fast = self.fast.get_submodule(stage)(fast)
        slow, fast = slow.mean((3, 4)), fast.mean((3, 4))  # [B, F, T]
        at_slow = fast.unflatten(2, (-1, self.config.alpha)).mean(3)
        return ClipFeatures(torch.cat([slow, at_slow], 1).transpose(1, 2), torch.cat([slow.mean(2), fast.mean(2)], 1))

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits


def _stem(network: nn.Module, x: Tensor) -> Tensor:
    """What comes before the first stage."""
    for name in ("conv1", "bn1", "relu", "maxpool"):
        x = network.get_submodule(name)(x)
    return x


def slowfast_r50() -> SlowFastConfig:
    """SlowFast on ResNet-50: 32 frames, every other; 8 of them in the slow pathway."""
    return SlowFastConfig(image_size=224, stride=2, n_classes=GYM99)
