"""Image ViTs to start from: our own folders, timm's and transformers' (local or on the Hub), and .pth files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.backbones.image.vit import SHIPPED
from recognizers.backbones.timesformer import TimeSformer
from recognizers.backbones.vit_weights import LoadReport, start_from_image_vit
from recognizers.weights_io.tensor_names import our_names
from recognizers.weights_io.tensors import file_hash, model_folder

PICKLED = (".pth", ".pt", ".bin", ".pyth")
_WRAPPERS = ("state_dict", "model", "model_state")
"""What files that hold more than a state dict have it under; the last is PySlowFast's."""


@dataclass(frozen=True, slots=True)
class ImageCheckpoint:
    """An image ViT's tensors by our names, for pixels in [-1, 1], and its number of heads where its files say it."""

    tensors: dict[str, Tensor]
    heads: int | None


def initialise_backbone(model: TimeSformer, source: Path | str, copy_attention: bool = True) -> LoadReport:
    """Start a space-time transformer from an image ViT, in place.

    Args:
        model: the network.
        source: "shipped" (the package's own); a folder with model.safetensors and its configuration; a .safetensors
            file; a .pth file of timm, such as jx_vit_base_p16_224; or a model on the Hub, owner/name.
        copy_attention: as of `start_from_image_vit`.

    Returns:
        What was loaded, resized, left out, and stays fresh.

    Raises:
        GymQAError: no such weights, they are damaged, or of another architecture (width, heads, activation).
    """
    checkpoint = read_image_checkpoint(source)
    if checkpoint.heads not in (None, model.heads):
        raise GymQAError(f"{source} has {checkpoint.heads} heads, the model {model.heads}; give one of its size")
    try:
        return start_from_image_vit(model, checkpoint.tensors, copy_attention)
    except GymQAError as error:
        raise GymQAError(f"{source}: {error}") from error


def read_image_checkpoint(source: Path | str) -> ImageCheckpoint:
    """Read an image ViT's weights; see `initialise_backbone`.

    Raises:
        GymQAError: no such weights, they are damaged, or no image ViT that ours can be.
    """
    path = find_image_weights(source)
    try:
        tensors = our_names(read_tensors(path))
    except GymQAError as error:
        raise GymQAError(f"{source}: {error}") from error
    config = beside(path, "config.json")
    if config.get("hidden_act", "gelu") != "gelu":
        raise GymQAError(f"{source} computes {config['hidden_act']} where ours computes gelu; give another checkpoint")
    mean, std = normalisation(config, beside(path, "preprocessor_config.json"), source)
    heads = config.get("num_attention_heads", config.get("heads"))
    return ImageCheckpoint(_for_our_pixels(tensors, mean, std), heads if isinstance(heads, int) else None)


def find_image_weights(source: Path | str) -> Path:
    """The file of an image ViT's weights; one on the Hub is downloaded first.

    Raises:
        GymQAError: it is not there, or of a kind that is not read.
    """
    path = SHIPPED if source == "shipped" else model_folder(source)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise GymQAError(f"{path} is not there; give a folder with model.safetensors, a file, or owner/name on the Hub")
    if path.suffix == ".pkl":
        raise GymQAError(
            f"{path} is a pickle, as Caffe2's weights are, and none is read; load it with PySlowFast's load_checkpoint "
            "(convert_from_caffe2=True), and save the model's state_dict() with torch.save as .pyth"
        )
    if path.suffix not in (".safetensors", *PICKLED):
        kinds = ", ".join(PICKLED)
        raise GymQAError(f"{path} is neither a .safetensors file nor one of {kinds}; give a file of weights")
    return path


def image_weights_hash(source: Path | str) -> str:
    """A hash of an image ViT's weights file, for the same name may hold others later.

    Raises:
        GymQAError: it is not there or cannot be read.
    """
    return file_hash(find_image_weights(source))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, as float32; no pickle in it is run.

    Raises:
        GymQAError: it cannot be read, or has no tensors by name.
    """
    try:
        if path.suffix not in PICKLED:
            found: Any = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise half a dozen kinds
        raise GymQAError(f"{path.name} is damaged, or holds more than tensors; get it again from its source") from error
    for wrapper in _WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    named = found if isinstance(found, dict) else {}
    tensors = {str(name): value.float() for name, value in named.items() if isinstance(value, Tensor)}
    if not tensors:
        raise GymQAError(
            f"{path.name} holds no tensors by name, by itself or under {', '.join(_WRAPPERS)}; give a state dict"
        )
    return tensors


def beside(path: Path, name: str) -> Mapping[str, Any]:
    """A JSON file beside model.safetensors; nothing where there is none. Other files stand for themselves."""
    file = path.with_name(name)
    if path.name != "model.safetensors" or not file.is_file():
        return {}
    values = read_json(file)
    return values if isinstance(values, dict) else {}


def normalisation(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any], source: Path | str
) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of the pixels (0…1) a checkpoint was trained on; by default 0.5, which is [-1, 1].

    transformers keeps them in preprocessor_config.json, timm in the `pretrained_cfg` of config.json.
    """
    timm = config.get("pretrained_cfg")
    timm = timm if isinstance(timm, dict) else {}
    if preprocessor.get("do_normalize") is False:
        return [0.0] * 3, [1.0] * 3
    mean = preprocessor.get("image_mean", timm.get("mean", [0.5] * 3))
    std = preprocessor.get("image_std", timm.get("std", [0.5] * 3))
    for values in (mean, std):
        numbers = isinstance(values, list) and all(type(one) in (int, float) and math.isfinite(one) for one in values)
        if not numbers or len(values) != 3 or (values is std and min(values) <= 0):
            raise GymQAError(
                f"{source} normalises pixels by {mean} and {std}, not by three numbers each; mend its files"
            )
    return mean, std


def _for_our_pixels(tensors: dict[str, Tensor], mean: list[float], std: list[float]) -> dict[str, Tensor]:
    """Let the patch embedding take pixels in [-1, 1] where it was trained on (pixel − mean) / std.

    (pixel − mean) / std = ours · 0.5 / std + (0.5 − mean) / std is linear in each channel, so weight and bias take it
    up; the outputs stay the same.
    """
    if (mean, std) == ([0.5] * 3, [0.5] * 3):
        return tensors
    weight = tensors["patch_embed.weight"]  # [D, 3, p, p]
    if weight.ndim != 4 or weight.shape[1] != 3:
        raise GymQAError(f"the patch embedding is {list(weight.shape)}, not of squares of three colours")
    m, s = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    bias = tensors.get("patch_embed.bias", torch.zeros(len(weight)))
    moved = bias + (weight * ((0.5 - m) / s)).sum((1, 2, 3))
    return {**tensors, "patch_embed.weight": weight * (0.5 / s), "patch_embed.bias": moved}
