"""I3D and config: inflated Inception-v1 (arXiv 1705.07750), or ResNet-50 with non-local blocks (arXiv 1711.07971)."""

import re
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipNet, ClipNetConfig
from recognizers.backbones.image.inception_v1 import InceptionV1, require_image_size
from recognizers.backbones.image.inflation import TimeKernel, inflate
from recognizers.backbones.image.resnet import ResNet

NON_LOCAL = {"layer2": (1, 3), "layer3": (1, 3, 5)}
"""Blocks of each stage that are followed by a non-local block: res3b, d and res4b, d, f."""


def inception_inflation(name: str, module: nn.Module) -> TimeKernel:
    """Temporal kernels of I3D's paper: as large as the spatial ones, but the first two poolings keep time."""
    if isinstance(module, nn.BatchNorm2d):
        return TimeKernel()
    of_pool = {"MaxPool3d_2a_3x3": TimeKernel(), "MaxPool3d_3a_3x3": TimeKernel(),
               "MaxPool3d_4a_3x3": TimeKernel(3, 2), "MaxPool3d_5a_2x2": TimeKernel(2, 2)}  # fmt: skip
    if name in of_pool:
        return of_pool[name]
    if name.endswith("b3a"):
        return TimeKernel(3)
    assert isinstance(module, nn.Conv2d)
    return TimeKernel(module.kernel_size[0], module.stride[0])


def resnet_inflation(name: str, module: nn.Module) -> TimeKernel:
    """Temporal kernels of the non-local paper's I3D: 5 in the first layer, 3 in (every other) block's first layer.

    res3 and res4 begin with a kernel of 3, res5 with one of 1. Time is halved after res2.
    """
    if name == "conv1":
        return TimeKernel(5)
    block = re.fullmatch(r"layer(\d)\.(\d)\.conv1", name)
    if block is None:
        return TimeKernel()
    stage, index = int(block[1]), int(block[2])
    wide = stage == 1 or index % 2 == (1 if stage == 4 else 0)
    return TimeKernel(3 if wide else 1)


class NonLocal(nn.Module):
    """Non-local block: self-attention over all locations of the clip (embedded Gaussian, half the channels).

    Keys and values are pooled by 2 in height and width, as in the paper. The last batch norm's weight starts at 0, so
    that the block is the identity at first.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.theta, self.phi, self.g = (nn.Conv3d(dim, half, 1) for _ in range(3))
        self.pool = nn.MaxPool3d((1, 2, 2), ceil_mode=True)
        self.out, self.norm = nn.Conv3d(half, dim, 1), nn.BatchNorm3d(dim)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, T, H, W] -> the same."""
        queries = self.theta(x).flatten(2).transpose(1, 2)  # [B, T H W, C / 2]
        pooled = self.pool(x)
        keys, values = (layer(pooled).flatten(2).transpose(1, 2) for layer in (self.phi, self.g))
        mixed = nn.functional.scaled_dot_product_attention(queries, keys, values, scale=1.0)
        out: Tensor = x + self.norm(self.out(mixed.transpose(1, 2).unflatten(2, x.shape[2:])))
        return out


@dataclass(frozen=True)
class I3DConfig(ClipNetConfig):
    """Config of I3D: inflated Inception-v1 (Carreira and Zisserman, CVPR'17) or ResNet-50 (Wang et al., CVPR'18).

    Attributes:
        architecture: of the 2-D network that is inflated.
        non_local: five non-local blocks, at res3b, d and res4b, d, f (ResNet-50 only).
    """

    architecture: Literal["inception_v1", "resnet50"] = "inception_v1"
    non_local: bool = False

    family: ClassVar[str] = "i3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.non_local and self.architecture != "resnet50":
            raise GymQAError("non-local blocks stand in ResNet-50; set architecture to resnet50, or non_local to false")
        if self.architecture == "inception_v1":
            require_image_size(self.image_size)

    @property
    def tokens(self) -> int:
        """Time steps after striding: 1 / 8 of the frames in Inception-v1, ½ in ResNet-50."""
        return -(-self.n_frames // (8 if self.architecture == "inception_v1" else 2))

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return I3D(self)


class I3D(ClipNet):
    """An inflated network; see I3DConfig."""

    config: I3DConfig

    def network_2d(self) -> ResNet | InceptionV1:
        """The 2-D network, with fresh weights."""
        if self.config.architecture == "inception_v1":
            return InceptionV1(self.config.width, self.config.channels)
        return ResNet("resnet50", self.config.width, channels=self.config.channels)

    def inflated(self, network_2d: nn.Module) -> nn.Module:
        """The 3-D network inflated from it; non-local blocks are fresh."""
        if self.config.architecture == "inception_v1":
            return inflate(network_2d, inception_inflation)
        backbone = inflate(network_2d, resnet_inflation)
        halve = nn.MaxPool3d((2, 1, 1), ceil_mode=True)
        backbone.layer1 = nn.Sequential(*backbone.get_submodule("layer1").children(), halve)
        if self.config.non_local:
            for stage, blocks in NON_LOCAL.items():
                dim = self.config.width * 2 ** int(stage[-1]) * 2
                setattr(backbone, stage, _with_non_local(backbone.get_submodule(stage), blocks, dim))
        return backbone

    @property
    def added(self) -> list[str]:
        """The non-local blocks' tensors."""
        blocks = {name: block for name, block in self.backbone.named_modules() if isinstance(block, NonLocal)}
        return [f"{name}.{tensor}" for name, block in blocks.items() for tensor in block.state_dict()]


def _with_non_local(stage: nn.Module, blocks: Collection[int], dim: int) -> nn.Sequential:
    """Insert non-local blocks, named non_local_1, …, after some blocks of a stage; the others keep their names."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for index, block in enumerate(stage.children()):
        layers[str(index)] = block
        if index in blocks:
            layers[f"non_local_{index}"] = NonLocal(dim)
    return nn.Sequential(layers)


def i3d_inception() -> I3DConfig:
    """I3D on Inception-v1: 64 consecutive frames."""
    return I3DConfig(image_size=224, n_frames=64, stride=1, n_classes=GYM99)


def i3d_r50() -> I3DConfig:
    """I3D on ResNet-50 as in FineGym: 8 frames at stride 2."""
    return I3DConfig(image_size=224, n_frames=8, stride=2, architecture="resnet50", n_classes=GYM99)


def nl_i3d_r50() -> I3DConfig:
    """Non-local I3D as in FineGym."""
    return replace(i3d_r50(), non_local=True)
