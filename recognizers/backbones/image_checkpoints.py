"""Read image ViT weights of gymqa, timm and transformers (folder, file, Hub); initialise a TimeSformer from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.io.files import read_json, sha256_of
from recognizers.backbones.image.vit import SHIPPED
from recognizers.backbones.timesformer import TimeSformer
from recognizers.backbones.vit_weights import LoadReport, start_from_image_vit
from recognizers.weights_io.tensor_names import our_names
from recognizers.weights_io.tensors import model_folder

PICKLED = (".pth", ".pt", ".bin", ".pyth")
_WRAPPERS = ("state_dict", "model", "model_state")
"""Keys of the state dict in files that hold more; the last is PySlowFast's."""


@dataclass(frozen=True, slots=True)
class ImageCheckpoint:
    """Tensors of an image ViT under our names, for pixels in [-1, 1], and its number of heads, if known."""

    tensors: dict[str, Tensor]
    heads: int | None


def initialise_backbone(model: TimeSformer, source: Path | str, copy_attention: bool = True) -> LoadReport:
    """Initialise a TimeSformer from an image ViT, in place.

    Args:
        model: the network.
        source: "shipped" (the package's own); a folder with model.safetensors and its configuration; a .safetensors
            file; a .pth file of timm, such as jx_vit_base_p16_224; or a model on the Hub, owner/name.
        copy_attention: as of `start_from_image_vit`.

    Returns:
        Names of loaded, resized, left-out and fresh tensors.

    Raises:
        GymQAError: the weights are missing, damaged, or of another architecture (width, heads, activation).
    """
    checkpoint = read_image_checkpoint(source)
    if checkpoint.heads not in (None, model.heads):
        raise GymQAError(
            f"{source} has {checkpoint.heads} heads, but the model {model.heads}; give a checkpoint with as many"
        )
    try:
        return start_from_image_vit(model, checkpoint.tensors, copy_attention)
    except GymQAError as error:
        raise GymQAError(f"{source}: {error}") from error


def read_image_checkpoint(source: Path | str) -> ImageCheckpoint:
    """Read an image ViT's weights; see `initialise_backbone`.

    Raises:
        GymQAError: the weights are missing, damaged, or of no supported image ViT.
    """
    path = find_image_weights(source)
    try:
        tensors = our_names(read_tensors(path))
    except GymQAError as error:
        raise GymQAError(f"{source}: {error}") from error
    config = read_json_beside(path, "config.json")
    if config.get("hidden_act", "gelu") != "gelu":
        raise GymQAError(
            f"{source} has the activation {config['hidden_act']}, but the model has gelu; give another checkpoint"
        )
    mean, std = normalisation(config, read_json_beside(path, "preprocessor_config.json"), source)
    heads = config.get("num_attention_heads", config.get("heads"))
    return ImageCheckpoint(_fold_normalisation(tensors, mean, std), heads if isinstance(heads, int) else None)


def find_image_weights(source: Path | str) -> Path:
    """The file of an image ViT's weights; one on the Hub is downloaded first.

    Raises:
        GymQAError: the file is missing, or of an unsupported type.
    """
    path = SHIPPED if source == "shipped" else model_folder(source)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise GymQAError(
            f"{path} does not exist; give a folder with model.safetensors, a file, or owner/name on the Hub"
        )
    if path.suffix == ".pkl":
        raise GymQAError(
            f"{path} is a pickle, as Caffe2's weights are, and is not read; load it with PySlowFast's load_checkpoint "
            "(convert_from_caffe2=True), and save the model's state_dict() with torch.save as .pyth"
        )
    if path.suffix not in (".safetensors", *PICKLED):
        kinds = ", ".join(PICKLED)
        raise GymQAError(f"{path} is neither a .safetensors file nor one of {kinds}; give a file of weights")
    return path


def image_weights_hash(source: Path | str) -> str:
    """Hash of a weights file, since the same name may hold others later.

    Raises:
        GymQAError: the file is missing or cannot be read.
    """
    return sha256_of(find_image_weights(source))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file as float32, without executing pickles.

    Raises:
        GymQAError: the file cannot be read, or holds no state dict.
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
            f"{path.name} holds no state dict, by itself or under {', '.join(_WRAPPERS)}; save the model's state_dict()"
        )
    return tensors


def read_json_beside(path: Path, name: str) -> Mapping[str, Any]:
    """Read a JSON file beside model.safetensors; empty where there is none, or for other weight files."""
    file = path.with_name(name)
    if path.name != "model.safetensors" or not file.is_file():
        return {}
    values = read_json(file)
    return values if isinstance(values, dict) else {}


def normalisation(
    config: Mapping[str, Any], preprocessor: Mapping[str, Any], source: Path | str
) -> tuple[list[float], list[float]]:
    """Input mean and std (of pixels in [0, 1]) of a checkpoint; by default 0.5, which is [-1, 1].

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
                f"{source} has the input mean {mean} and std {std}, not three numbers each; correct its JSON files"
            )
    return mean, std


def _fold_normalisation(tensors: dict[str, Tensor], mean: list[float], std: list[float]) -> dict[str, Tensor]:
    """Fold the checkpoint's input normalisation into the patch embedding, which then takes pixels in [-1, 1].

    (pixel − mean) / std = ours · 0.5 / std + (0.5 − mean) / std is linear in each channel, so weight and bias
    absorb it; the outputs stay the same.
    """
    if (mean, std) == ([0.5] * 3, [0.5] * 3):
        return tensors
    weight = tensors["patch_embed.weight"]  # [D, 3, p, p]
    if weight.ndim != 4 or weight.shape[1] != 3:
        raise GymQAError(f"the patch embedding is {list(weight.shape)}, not of patches with three RGB channels")
    m, s = torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)
    bias = tensors.get("patch_embed.bias", torch.zeros(len(weight)))
    moved = bias + (weight * ((0.5 - m) / s)).sum((1, 2, 3))
    return {**tensors, "patch_embed.weight": weight * (0.5 / s), "patch_embed.bias": moved}
