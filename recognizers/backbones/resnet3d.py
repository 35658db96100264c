"""R3D and R(2+1)D: 3-D ResNets and their config (Tran et al., CVPR'18, arXiv 1711.11248)."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipNet, ClipNetConfig
from recognizers.backbones.image.inflation import TimeConv3d, TimeKernel, inflate
from recognizers.backbones.image.resnet import ResNet


def r3d_inflation(name: str, module: nn.Module) -> TimeKernel:
    """Temporal kernels of R3D: 3 in every layer; stages 3 to 5 halve time together with space."""
    halves = re.fullmatch(r"layer[234]\.0\.(conv1|downsample\.0)", name) is not None
    return TimeKernel(1 if "downsample" in name else 3, 2 if halves else 1)


class SpatialThenTemporal(nn.Module):
    """Factorised convolution of R(2+1)D: 1 × N × N, batch norm, ReLU, and K × 1 × 1, with as many weights.

    Args:
        layer: the K × N × N layer to replace.
        between: channels between the two; by default as many as give the number of weights of `layer` (the paper).
    """

    def __init__(self, layer: nn.Conv3d, between: int | None = None) -> None:
        super().__init__()
        d_in, d_out, (time, size, _) = layer.in_channels, layer.out_channels, layer.kernel_size
        between = between or (d_in * d_out * time * size * size) // (d_in * size * size + time * d_out)
        (over, stride, _), pad = layer.stride, size // 2
        self.picture = nn.Conv3d(d_in, between, (1, size, size), (1, stride, stride), (0, pad, pad), bias=False)
        self.norm, self.relu = nn.BatchNorm3d(between), nn.ReLU(inplace=True)
        self.time = TimeConv3d(between, d_out, (time, 1, 1), (over, 1, 1), bias=False)
        for convolution in (self.picture, self.time):
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> [B, C', T / stride, H', W']."""
        out: Tensor = self.time(self.relu(self.norm(self.picture(x))))
        return out


def _factorise(network: nn.Module, architecture: str) -> None:
    """Replace every space-time convolution by a factorised one, in place."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Conv3d) and module.kernel_size[0] > 1:
            parent, _, own = name.rpartition(".")
            setattr(
                network.get_submodule(parent), own, SpatialThenTemporal(module, _between(network, name, architecture))
            )


def _between(network: nn.Module, name: str, architecture: str) -> int | None:
    """Channels between the two layers where published weights deviate from the paper's rule.

    45 of 64 in the first layer; in torchvision's R(2+1)D-18, a block's second layer has as many as its first.
    """
    if name == "conv1":
        return max(1, network.get_submodule("bn1").get_parameter("weight").numel() * 45 // 64)
    if name.endswith("conv2") and architecture == "resnet18":
        first = network.get_submodule(name.replace("conv2", "conv1"))
        return first.norm.num_features if isinstance(first, SpatialThenTemporal) else None
    return None


@dataclass(frozen=True)
class ResNet3DConfig(ClipNetConfig):
    """Config of 3-D ResNets (Tran et al., CVPR'18): R3D, or R(2+1)D with factorised convolutions.

    Attributes:
        architecture: of the 2-D network.
        factorised: whether it is R(2+1)D.
    """

    architecture: Literal["resnet18", "resnet34"] = "resnet18"
    factorised: bool = False

    family: ClassVar[str] = "resnet3d"

    @property
    def tokens(self) -> int:
        """Time steps after striding: 1 / 8 of the frames."""
        return -(-self.n_frames // 8)

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return ResNet3D(self)


class ResNet3D(ClipNet):
    """R3D or R(2+1)D; see ResNet3DConfig. Unlike the 2-D network it has no pooling after the first layer."""

    config: ResNet3DConfig

    def __init__(self, config: ResNet3DConfig) -> None:
        super().__init__(config)
        self.inflatable = not config.factorised

    def network_2d(self) -> ResNet:
        """The 2-D network, with fresh weights."""
        return ResNet(self.config.architecture, self.config.width, channels=self.config.channels)

    def inflated(self, network_2d: nn.Module) -> nn.Module:
        """The 3-D network inflated from it; R(2+1)D's layers are fresh."""
        backbone = inflate(network_2d, r3d_inflation)
        setattr(backbone, "maxpool", nn.Identity())  # noqa: B010  its type says otherwise
        if self.config.factorised:
            _factorise(backbone, self.config.architecture)
        return backbone


def r3d_18() -> ResNet3DConfig:
    """R3D-18: 16 consecutive frames."""
    return ResNet3DConfig(image_size=112, n_frames=16, stride=1, n_classes=GYM99)


def r2plus1d_18() -> ResNet3DConfig:
    """R(2+1)D-18: 16 consecutive frames."""
    return replace(r3d_18(), factorised=True)


def r2plus1d_34() -> ResNet3DConfig:
    """R(2+1)D-34: 32 consecutive frames."""
    return replace(r2plus1d_18(), architecture="resnet34", n_frames=32)
