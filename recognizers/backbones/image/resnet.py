"""ResNet-18, -34, -50 without classifier (CVPR'16; stride in the 3 × 3 layer), with torchvision's tensor names."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

DEPTHS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
Shift = Callable[[Tensor], Tensor]


def _conv(d_in: int, d_out: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution without bias, padded to keep the size at stride 1."""
    return nn.Conv2d(d_in, d_out, size, stride, size // 2, bias=False)


class _Block(nn.Module, ABC):
    """A residual block; `shift` is applied to the branch's input, not to the shortcut (TSM)."""

    expansion: int

    def __init__(self, d_in: int, d_out: int, stride: int) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.shift: Shift | None = None
        self.downsample = (
            nn.Sequential(_conv(d_in, d_out, 1, stride), nn.BatchNorm2d(d_out))
            if stride > 1 or d_in != d_out
            else nn.Identity()
        )

    @abstractmethod
    def branch(self, x: Tensor) -> Tensor:
        """The residual branch, which is added to the shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H', W']."""
        shifted = x if self.shift is None else self.shift(x)
        out: Tensor = self.relu(self.branch(shifted) + self.downsample(x))
        return out


class BasicBlock(_Block):
    """Residual block of two 3 × 3 convolutions."""

    expansion = 1

    def __init__(self, d_in: int, width: int, stride: int) -> None:
        super().__init__(d_in, width, stride)
        self.conv1, self.bn1 = _conv(d_in, width, 3, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3), nn.BatchNorm2d(width)

    def branch(self, x: Tensor) -> Tensor:
        """The residual branch, which is added to the shortcut."""
        out: Tensor = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return out


class Bottleneck(_Block):
    """Residual block of 1 × 1, 3 × 3 and 1 × 1 convolutions."""

    expansion = 4

    def __init__(self, d_in: int, width: int, stride: int) -> None:
        super().__init__(d_in, 4 * width, stride)
        self.conv1, self.bn1 = _conv(d_in, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = _conv(width, width, 3, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = _conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)

    def branch(self, x: Tensor) -> Tensor:
        """The residual branch, which is added to the shortcut."""
        x = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(x)))))
        return out


class ResNet(nn.Module):
    """Images [B, C, S, S] to a feature map [B, dim, S / 32, S / 32].

    Args:
        name: one of DEPTHS.
        width: channels of the first layer.
        lateral: further input channels of each stage (SlowFast's lateral connections); by default none.
        channels: C.
    """

    def __init__(self, name: str, width: int = 64, lateral: Sequence[int] = (0, 0, 0, 0), channels: int = 3) -> None:
        super().__init__()
        block: type[_Block] = Bottleneck if name == "resnet50" else BasicBlock
        self.conv1, self.bn1 = nn.Conv2d(channels, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        d_in = width
        for number, depth in enumerate(DEPTHS[name]):
            own, stride = width * 2**number, 1 if number == 0 else 2
            blocks = []
            d_in += lateral[number]
            for index in range(depth):
                blocks.append(block(d_in, own, stride if index == 0 else 1))
                d_in = own * block.expansion
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.dim = d_in
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @property
    def blocks(self) -> list[_Block]:
        """All residual blocks, from first to last."""
        return [module for module in self.modules() if isinstance(module, _Block)]

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] -> [B, dim, S / 32, S / 32]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return x


def pooled(features: Tensor) -> Tensor:
    """Spatial average pooling: [B, C, H, W] -> [B, C]."""
    return F.adaptive_avg_pool2d(features, 1).flatten(1)
