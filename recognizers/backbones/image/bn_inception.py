"""BN-Inception without classifier (Ioffe and Szegedy, ICML'15); tensor names of the Caffe model's PyTorch ports."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn


class _Mixed(NamedTuple):
    """Channels of an inception block's branches: 1 × 1; reduction, 3 × 3; reduction, two 3 × 3; pooling.

    A block without 1 × 1 has stride 2, and its pooling keeps all channels.
    """

    name: str
    one: int
    three: tuple[int, int]
    double: tuple[int, int]
    pool: Literal["avg", "max"]
    projected: int


LAYERS = (
    _Mixed("inception_3a", 64, (64, 64), (64, 96), "avg", 32),
    _Mixed("inception_3b", 64, (64, 96), (64, 96), "avg", 64),
    _Mixed("inception_3c", 0, (128, 160), (64, 96), "max", 0),
    _Mixed("inception_4a", 224, (64, 96), (96, 128), "avg", 128),
    _Mixed("inception_4b", 192, (96, 128), (96, 128), "avg", 128),
    _Mixed("inception_4c", 160, (128, 160), (128, 160), "avg", 128),
    _Mixed("inception_4d", 96, (128, 192), (160, 192), "avg", 128),
    _Mixed("inception_4e", 0, (128, 192), (192, 256), "max", 0),
    _Mixed("inception_5a", 352, (192, 320), (160, 224), "avg", 128),
    _Mixed("inception_5b", 352, (192, 320), (192, 224), "max", 128),
)


class BNInception(nn.Module):
    """Images [B, C, S, S] to a feature map [B, dim, S / 32, S / 32].

    Args:
        width: channels of the first layer, 64 in the published network; all others scale with it.
        channels: C.
    """

    def __init__(self, width: int = 64, channels: int = 3) -> None:
        super().__init__()
        self._width = width
        self._add("conv1_7x7_s2", channels, self._scaled(64), 7, 2)
        self._add("conv2_3x3_reduce", self._scaled(64), self._scaled(64), 1)
        self._add("conv2_3x3", self._scaled(64), self._scaled(192), 3)
        d_in = self._scaled(192)
        for layer in LAYERS:
            d_in = self._add_mixed(layer, d_in)
        self.dim = d_in
        self.relu = nn.ReLU(inplace=True)
        self._halve = nn.MaxPool2d(3, 2, ceil_mode=True)
        self._pools = {"avg": nn.AvgPool2d(3, 1, 1, count_include_pad=True), "max": nn.MaxPool2d(3, 1, 1)}
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def _scaled(self, channels: int) -> int:
        """The published network's channels, scaled to `width`."""
        return max(1, channels * self._width // 64)

    def _add(self, name: str, d_in: int, d_out: int, size: int, stride: int = 1) -> int:
        """Add a convolution and its batch norm; returns the output channels."""
        setattr(self, name, nn.Conv2d(d_in, d_out, size, stride, size // 2))
        setattr(self, f"{name}_bn", nn.BatchNorm2d(d_out))
        return d_out

    def _add_mixed(self, layer: _Mixed, d_in: int) -> int:
        """Add the convolutions of an inception block; returns the output channels."""
        name, stride = layer.name, 1 if layer.one else 2
        total = self._add(f"{name}_1x1", d_in, self._scaled(layer.one), 1) if layer.one else 0
        (reduced, three), (reduced_double, double) = layer.three, layer.double
        self._add(f"{name}_3x3_reduce", d_in, self._scaled(reduced), 1)
        total += self._add(f"{name}_3x3", self._scaled(reduced), self._scaled(three), 3, stride)
        self._add(f"{name}_double_3x3_reduce", d_in, self._scaled(reduced_double), 1)
        self._add(f"{name}_double_3x3_1", self._scaled(reduced_double), self._scaled(double), 3)
        total += self._add(f"{name}_double_3x3_2", self._scaled(double), self._scaled(double), 3, stride)
        if not layer.projected:
            return total + d_in
        return total + self._add(f"{name}_pool_proj", d_in, self._scaled(layer.projected), 1)

    def _conv(self, name: str, x: Tensor) -> Tensor:
        """Convolution, batch norm, ReLU."""
        out: Tensor = self.relu(getattr(self, f"{name}_bn")(getattr(self, name)(x)))
        return out

    def _mixed(self, layer: _Mixed, x: Tensor) -> Tensor:
        """Concatenate the branches of an inception block."""
        name = layer.name
        parts = [self._conv(f"{name}_1x1", x)] if layer.one else []
        parts.append(self._conv(f"{name}_3x3", self._conv(f"{name}_3x3_reduce", x)))
        deep = self._conv(f"{name}_double_3x3_1", self._conv(f"{name}_double_3x3_reduce", x))
        parts.append(self._conv(f"{name}_double_3x3_2", deep))
        if layer.projected:
            parts.append(self._conv(f"{name}_pool_proj", self._pools[layer.pool](x)))
        else:
            odd = [x.shape[-1] % 2, x.shape[-2] % 2]  # the strided convolutions round up
            parts.append(self._halve(nn.functional.pad(x, (0, odd[0], 0, odd[1]), value=-torch.inf)))
        return torch.cat(parts, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, S, S] -> [B, dim, S / 32, S / 32]."""
        x = self._halve(self._conv("conv1_7x7_s2", x))
        x = self._halve(self._conv("conv2_3x3", self._conv("conv2_3x3_reduce", x)))
        for layer in LAYERS:
            x = self._mixed(layer, x)
        return x
