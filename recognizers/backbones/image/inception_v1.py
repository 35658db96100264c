"""Inception-v1 with batch norm, without classifier; layers and names of I3D (Carreira and Zisserman, CVPR'17)."""

import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError

MIXED: dict[str, tuple[int, int, int, int, int, int]] = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}
"""Channels of the branches: 1 × 1; reduction, 3 × 3; reduction, second 3 × 3; after pooling."""
EPS, MOMENTUM = 1e-3, 0.01  # of batch norm, as in the published checkpoints


class Unit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, d_in: int, d_out: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(d_in, d_out, size, stride, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(d_out, EPS, MOMENTUM)
        self.relu = nn.ReLU(inplace=True)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H', W']."""
        out: Tensor = self.relu(self.bn(self.conv(x)))
        return out


class Mixed(nn.Module):
    """Inception block of four branches; the third has a 3 × 3 convolution, as in I3D, not Inception-v1's 5 × 5."""

    def __init__(self, d_in: int, channels: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, reduced_3, three, reduced_5, five, pool = channels
        self.b0 = Unit(d_in, one, 1)
        self.b1a, self.b1b = Unit(d_in, reduced_3, 1), Unit(reduced_3, three, 3)
        self.b2a, self.b2b = Unit(d_in, reduced_5, 1), Unit(reduced_5, five, 3)
        self.b3a, self.b3b = nn.MaxPool2d(3, 1, 1), Unit(d_in, pool, 1)
        self.dim = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C', H, W]."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


def _halving(name: str, size: int) -> dict[str, nn.Module]:
    """Max pooling of stride 2 with zero padding at the right and bottom, as in all published weights.

    The zeros do not change the maximum of ReLU outputs. The padding stays spatial when inflated.
    """
    pad = nn.ConstantPad2d((0, 1, 0, 1), 0.0)
    return {f"Pad_{name}": pad, f"MaxPool3d_{name}_{size}x{size}": nn.MaxPool2d(size, 2)}


SMALLEST = 32
"""Smallest side of a frame in pixels: the product of all strides."""


def require_image_size(image_size: int) -> None:
    """Refuse frames smaller than Inception-v1's total stride.

    Raises:
        GymQAError: the frames are too small.
    """
    if image_size < SMALLEST:
        raise GymQAError(f"Inception-v1 cannot take frames of {image_size} px; set image_size to {SMALLEST} or more")


class InceptionV1(nn.Sequential):
    """Images [B, C, S, S] to a feature map [B, dim, S / 32, S / 32].

    Args:
        width: channels of the first layer, 64 in the published network; all others scale with it.
        channels: C.
    """

    def __init__(self, width: int = 64, channels: int = 3) -> None:
        def scaled(published: int) -> int:
            return max(1, published * width // 64)

        layers: dict[str, nn.Module] = {
            "Conv3d_1a_7x7": Unit(channels, scaled(64), 7, 2),
            **_halving("2a", 3),
            "Conv3d_2b_1x1": Unit(scaled(64), scaled(64), 1),
            "Conv3d_2c_3x3": Unit(scaled(64), scaled(192), 3),
            **_halving("3a", 3),
        }
        d_in = scaled(192)
        for name, branches in MIXED.items():
            if name == "Mixed_4b":
                layers |= _halving("4a", 3)
            if name == "Mixed_5b":
                layers |= _halving("5a", 2)
            a, b, c, d, e, f = map(scaled, branches)
            mixed = Mixed(d_in, (a, b, c, d, e, f))
            layers[name], d_in = mixed, mixed.dim
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.dim = d_in
