"""Inflate a 2-D network to 3-D: filters repeated over time, temporal padding (Carreira and Zisserman, CVPR'17, 2.4).

A clip of one repeated image (a "boring video") yields the image's features: an N × N filter becomes K × N × N, its
weights repeated K times and divided by K. This holds up to the clip's ends, because time is padded by repeating the
first and last frame; zero padding, as in the published networks, would attenuate them.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TimeKernel(NamedTuple):
    """Temporal kernel size and stride of a layer."""

    size: int = 1
    stride: int = 1


Rule = Callable[[str, nn.Module], TimeKernel]
"""From a layer's name and module to its temporal kernel."""


def pad_time(x: Tensor, size: int) -> Tensor:
    """Repeat the first and last frame of [B, C, T, H, W], so that a temporal kernel of `size` keeps their number."""
    if size == 1:
        return x
    return torch.cat([x[:, :, :1].expand(-1, -1, (size - 1) // 2, -1, -1), x,
                      x[:, :, -1:].expand(-1, -1, size // 2, -1, -1)], 2)  # fmt: skip


class TimeConv3d(nn.Conv3d):
    """A convolution over [B, C, T, H, W], padded in time with the clip's first and last frame."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, C', T / stride, H', W']."""
        x = pad_time(x, self.kernel_size[0])
        return F.conv3d(x, self.weight, self.bias, self.stride, (0, *self.padding[1:]), groups=self.groups)  # type: ignore[arg-type]


class _Pool3d(nn.Module):
    """Pooling over [B, C, T, H, W], padded in time with the clip's first and last frame."""

    def __init__(self, pool: nn.Module, kernel: TimeKernel) -> None:
        super().__init__()
        self.size, self.pool = kernel.size, pool

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, C, T / stride, H', W']."""
        out: Tensor = self.pool(pad_time(x, self.size))
        return out


def inflate(network: nn.Module, rule: Rule) -> nn.Module:
    """Copy a 2-D network with its layers inflated for clips [B, C, T, H, W]; tensor names stay.

    Args:
        network: made of modules only; convolutions, batch norms and poolings are replaced.
        rule: temporal kernel of each convolution and pooling.
    """
    inflated = copy.deepcopy(network)
    for name, module in list(inflated.named_modules()):
        new = _inflated(module, rule(name, module)) if isinstance(module, _KINDS) else None
        if new is not None:
            parent, _, own = name.rpartition(".")
            setattr(inflated.get_submodule(parent), own, new)
    return inflated


_KINDS = (nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)


def _inflated(module: nn.Module, kernel: TimeKernel) -> nn.Module:
    """Inflate one layer."""
    if isinstance(module, nn.BatchNorm2d):
        norm = nn.BatchNorm3d(module.num_features, module.eps, module.momentum)
        norm.load_state_dict(module.state_dict())
        return norm
    if isinstance(module, nn.Conv2d):
        return _convolution(module, kernel)
    assert isinstance(module, nn.MaxPool2d | nn.AvgPool2d)
    sizes = {
        "kernel_size": (kernel.size, *_pair(module.kernel_size)),
        "stride": (kernel.stride, *_pair(module.stride)),
        "padding": (0, *_pair(module.padding)),
        "ceil_mode": module.ceil_mode,
    }
    if isinstance(module, nn.MaxPool2d):
        return _Pool3d(nn.MaxPool3d(**sizes), kernel)  # type: ignore[arg-type]
    return _Pool3d(nn.AvgPool3d(**sizes, count_include_pad=module.count_include_pad), kernel)  # type: ignore[arg-type]


def _convolution(layer: nn.Conv2d, kernel: TimeKernel) -> TimeConv3d:
    """Inflate a convolution: weights repeated over time and divided by the kernel size."""
    inflated = TimeConv3d(
        layer.in_channels,
        layer.out_channels,
        (kernel.size, *layer.kernel_size),  # type: ignore[arg-type]
        (kernel.stride, *layer.stride),  # type: ignore[arg-type]
        (0, *layer.padding),  # type: ignore[arg-type]
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    weight = layer.weight.detach().unsqueeze(2).expand(-1, -1, kernel.size, -1, -1) / kernel.size
    inflated.load_state_dict({"weight": weight, **({} if layer.bias is None else {"bias": layer.bias.detach()})})
    return inflated


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size
