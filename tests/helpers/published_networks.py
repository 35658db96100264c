"""Small networks under their publishers' names for tensors, and files of them."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.backbones.image.resnet import ResNet
from recognizers.weights_io.normalisation import MEAN_STD
from tests.helpers import published_names

WIDTH = 8


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """A network with batch norms as after a training."""
    torch.manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return network.eval()


def renamed(network: nn.Module, names: list[str], counted: bool = True) -> dict[str, Tensor]:
    """Our tensors under published names, which stand in the same order but for each network's further classifiers."""
    own = [(name, one) for name, one in network.state_dict().items() if counted or "num_batches" not in name]
    inside = [name for name in names if not name.startswith(("fc", "aux", "last_linear", "logits", "head"))]
    assert len(inside) == len(own)
    heads = {name: torch.zeros(3, 3) for name in names if name not in inside}
    return {**{name: tensor.clone() for name, (_, tensor) in zip(inside, own, strict=True)}, **heads}


def resnet(name: str, depths: tuple[int, ...]) -> tuple[nn.Module, dict[str, Tensor]]:
    """One of ours, and a file's content; torchvision has a block's shortcut behind its layers."""
    network = trained(ResNet(name, WIDTH))
    names = published_names.torchvision_resnet(depths, name == "resnet50")
    own = network.state_dict()
    return network, {one: own.get(one, torch.zeros(3, 3)) for one in names}


R18, R50 = ("resnet18", (2, 2, 2, 2)), ("resnet50", (3, 4, 6, 3))


def built(config: ModelConfig) -> Recognizer:
    """A recognizer in evaluation mode, the same every time."""
    torch.manual_seed(0)
    return config.build().eval()


def clip(config: ModelConfig) -> Tensor:
    """Two clips as the model sees them."""
    return torch.rand(2, *config.input_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def started(config: ModelConfig, source: Path | str) -> tuple[Recognizer, str]:
    """A recognizer that started from weights, and what it said of them."""
    torch.manual_seed(5)
    model = config.build().eval()
    said = model.start_from(str(source))
    assert said is not None
    return model.eval(), said


def of_publisher(frames: Tensor, pixels: str) -> Tensor:
    """Frames in [-1, 1] as a publisher's code would normalise the same pixels."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in MEAN_STD[pixels])
    return ((frames + 1) / 2 - mean) / std


def saved(folder: Path, tensors: dict[str, Tensor], name: str = "weights.pth") -> Path:
    """A file of tensors."""
    path = folder / name
    if path.suffix == ".safetensors":
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path)
    else:
        torch.save(tensors, path)
    return path


def of_pyslowfast(own: dict[str, Tensor]) -> dict[str, Tensor]:
    """A ResNet-50's tensors under PySlowFast's names; a block's shortcut comes before its layers there."""
    shortcuts_first: list[str] = []
    for name in published_names.torchvision_resnet((3, 4, 6, 3), True)[:-2]:
        if "downsample" in name:
            start = next(i for i, one in enumerate(shortcuts_first) if one.startswith(name.partition("downsample")[0]))
            done = sum(name.partition("downsample")[0] + "downsample" in one for one in shortcuts_first)
            shortcuts_first.insert(start + done, name)
        else:
            shortcuts_first.append(name)
    names = (own[name] for name in shortcuts_first)
    return dict(zip(published_names.pyslowfast_i3d_r50(), names, strict=False))
