"""SlowFast on ResNet-50: slow and fast pathway with lateral connections, and config (ICCV'19, arXiv 1812.03982)."""

import re
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipFeatures, ClipNetConfig
from recognizers.backbones.image.inflation import TimeConv3d, TimeKernel, inflate
from recognizers.backbones.image.resnet import ResNet
from recognizers.weights_io.normalisation import renormalise

STAGES = ("layer1", "layer2", "layer3", "layer4")
LATERAL = 7
"""Temporal kernel of the lateral connections, as in the released model of 8 slow frames (5 in the paper)."""


def slow_inflation(name: str, module: nn.Module) -> TimeKernel:
    """Temporal kernels of the slow pathway: 3 in the first layer of every block of the last two stages, else 1."""
    return TimeKernel(3 if re.fullmatch(r"layer[34]\.\d\.conv1", name) else 1)


def fast_inflation(name: str, module: nn.Module) -> TimeKernel:
    """Temporal kernels of the fast pathway: 5 in the first layer, 3 in the first layer of every block, else 1."""
    return TimeKernel(5 if name == "conv1" else 3 if re.fullmatch(r"layer\d\.\d\.conv1", name) else 1)


@dataclass(frozen=True)
class SlowFastConfig(ClipNetConfig):
    """Config of SlowFast (Feichtenhofer et al., ICCV'19) on ResNet-50.

    Attributes:
        alpha: temporal stride of the slow pathway relative to the fast one.
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
                f"{self.n_frames} frames and {self.width} channels cannot be divided by alpha {self.alpha} and beta "
                f"{self.beta}; choose divisors"
            )

    @property
    def tokens(self) -> int:
        """Time steps of the slow pathway."""
        return self.n_frames // self.alpha

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return SlowFast(self)


class SlowFast(Recognizer):
    """A slow pathway (few frames, many channels) with lateral connections from a fast one (the reverse)."""

    config: SlowFastConfig

    def __init__(self, config: SlowFastConfig) -> None:
        super().__init__(config)
        thin = config.width // config.beta
        lateral = [2 * thin, *(2 * thin * 4 * 2**stage for stage in range(3))]  # channels added before each stage
        self.slow = inflate(ResNet("resnet50", config.width, lateral, config.channels), slow_inflation)
        fast = ResNet("resnet50", thin, channels=config.channels)
        self.fast = inflate(fast, fast_inflation)
        self.lateral = nn.ModuleList(
            nn.Sequential(
                TimeConv3d(width // 2, width, (LATERAL, 1, 1), (config.alpha, 1, 1), bias=False),
                nn.BatchNorm3d(width),
                nn.ReLU(inplace=True),
            )
            for width in lateral
        )
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(32 * config.width + fast.dim, config.n_classes)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> both pathways' features at the slow one's time steps, and their means over the clip."""
        fast = renormalise(frames, self.config.pixels).transpose(1, 2)  # [B, C, N, S, S]
        slow = fast[:, :, :: self.config.alpha]
        slow, fast = _stem(self.slow, slow), _stem(self.fast, fast)
        for stage, lateral in zip(STAGES, self.lateral, strict=True):
            slow = self.slow.get_submodule(stage)(torch.cat([slow, lateral(fast)], 1))
            fast = self.fast.get_submodule(stage)(fast)
        slow, fast = slow.mean((3, 4)), fast.mean((3, 4))  # [B, F, T]
        at_slow = fast.unflatten(2, (-1, self.config.alpha)).mean(3)
        return ClipFeatures(torch.cat([slow, at_slow], 1).transpose(1, 2), torch.cat([slow.mean(2), fast.mean(2)], 1))


def _stem(network: nn.Module, x: Tensor) -> Tensor:
    """The layers before the first stage."""
    for name in ("conv1", "bn1", "relu", "maxpool"):
        x = network.get_submodule(name)(x)
    return x


def slowfast_r50() -> SlowFastConfig:
    """SlowFast on ResNet-50: 32 frames at stride 2, 8 of them in the slow pathway."""
    return SlowFastConfig(image_size=224, stride=2, n_classes=GYM99)
