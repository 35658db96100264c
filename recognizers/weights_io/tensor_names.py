"""Rename tensors of published networks (torchvision, timm, transformers, Caffe ports, I3D port, PySlowFast) to ours."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.weights_io.normalisation import Pixels

OWN = "backbone."
"""Prefix of the backbone's tensor names in our recognizers."""


@dataclass(frozen=True, slots=True)
class Naming:
    """A naming scheme of published networks.

    Attributes:
        mark: a tensor name that identifies the scheme.
        pixels: input normalisation, unless the files state another.
        ours: maps a name to ours; None for a classifier's tensor.
        bgr: whether the input channels are blue, green, red.
        pixels_2d: input normalisation of 2-D networks, where it differs.
    """

    mark: str
    pixels: Pixels
    ours: Callable[[str], str | None]
    bgr: bool = False
    pixels_2d: Pixels | None = None


def _without(*heads: str) -> Callable[[str], str | None]:
    """Keep names, except for a classifier's."""
    return lambda name: None if name.startswith(heads) else name


def _of_i3d_port(name: str) -> str | None:
    """Mixed_3b.b0.conv3d.weight -> Mixed_3b.b0.conv.weight."""
    return None if name.startswith("logits.") else name.replace(".conv3d.", ".conv.")


_BRANCHES = {"1": "b0", "2.0": "b1a", "2.1": "b1b", "3.0": "b2a", "3.1": "b2b", "4.1": "b3b"}
_STEM = {"conv1": "Conv3d_1a_7x7", "conv2": "Conv3d_2b_1x1", "conv3": "Conv3d_2c_3x3"}


def _of_googlenet(name: str) -> str | None:
    """inception3a.branch2.1.conv.weight -> Mixed_3b.b1b.conv.weight; 3a, 3b, … are 3b, 3c, … in I3D."""
    stem, _, rest = name.partition(".")
    if stem in _STEM:
        return f"{_STEM[stem]}.{rest}"
    found = re.fullmatch(r"inception(\d)([a-e])\.branch([\d.]+)\.((?:conv|bn)\..+)", name)
    if found is None:
        return None if name.startswith(("fc.", "aux1.", "aux2.")) else name
    stage, letter, branch, tensor = found.groups()
    return f"Mixed_{stage}{chr(ord(letter) + 1)}.{_BRANCHES.get(branch, branch)}.{tensor}"


_OF_BLOCK = {
    "branch1": "downsample.0", "branch1_bn": "downsample.1", "branch2.a": "conv1", "branch2.a_bn": "bn1",
    "branch2.b": "conv2", "branch2.b_bn": "bn2", "branch2.c": "conv3", "branch2.c_bn": "bn3",
}  # fmt: skip


def _of_pyslowfast(name: str) -> str | None:
    """s2.pathway0_res0.branch2.a.weight -> layer1.0.conv1.weight."""
    if name.startswith("head."):
        return None
    if name.startswith("s1.pathway0_stem."):
        return name.removeprefix("s1.pathway0_stem.").replace("conv.", "conv1.").replace("bn.", "bn1.")
    found = re.fullmatch(r"s(\d)\.pathway0_res(\d+)\.(branch[\w.]+)\.(\w+)", name)
    if found is None or found[3] not in _OF_BLOCK:
        return name
    return f"layer{int(found[1]) - 1}.{found[2]}.{_OF_BLOCK[found[3]]}.{found[4]}"


def _of_ours(name: str) -> str | None:
    """Strip the backbone prefix of a recognizer; None for other tensors."""
    return name.removeprefix(OWN) if name.startswith(OWN) else None


NAMINGS = (
    Naming("conv1_7x7_s2.weight", "caffe", _without("last_linear.", "fc."), bgr=True),  # BN-Inception
    Naming("Conv3d_1a_7x7.conv3d.weight", "symmetric", _of_i3d_port),
    Naming("inception3a.branch1.conv.weight", "symmetric", _of_googlenet),  # torchvision's maps its input to [-1, 1]
    Naming("s1.pathway0_stem.conv.weight", "kinetics", _of_pyslowfast, pixels_2d="imagenet"),
    Naming("layer1.0.conv1.weight", "imagenet", _without("fc.")),  # ResNets of torchvision and timm
)


def naming_of(names: set[str]) -> Naming | None:
    """The naming scheme of a network's tensors; None where it is unknown."""
    if any(name.startswith(OWN) for name in names):
        return Naming(OWN, "symmetric", _of_ours)
    return next((naming for naming in NAMINGS if naming.mark in names), None)


_TIMM = {"patch_embed.proj.": "patch_embed."}
_TRANSFORMERS = {
    "embeddings.cls_token": "cls_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection.": "patch_embed.",
    "layernorm.": "norm.",
}
_TRANSFORMERS_BLOCK = {
    "layernorm_before.": "norm1.",
    "attention.output.dense.": "attn.proj.",
    "layernorm_after.": "norm2.",
    "intermediate.dense.": "mlp.fc1.",
    "output.dense.": "mlp.fc2.",
}
_QKV = re.compile(r"encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(weight|bias)")
_BLOCK = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
_PATCHES = re.compile(
    r"(?P<prefix>.*?)(?:(?P<transformers>embeddings\.patch_embeddings\.projection)|patch_embed(?:\.proj)?)\.weight"
)


def our_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a ViT's tensors to ours; tensors outside the ViT keep their names (a head, a pooler, a decoder).

    transformers stores queries, keys and values separately: they are concatenated to one tensor, as in timm.

    Args:
        tensors: of a ViT of timm, of transformers (ViTModel, or one inside another model), or of ImageViT.

    Raises:
        GymQAError: there is no patch embedding under either name.
    """
    found = next((match for match in map(_PATCHES.fullmatch, tensors) if match), None)
    if found is None:
        some = ", ".join(sorted(tensors)[:3])
        raise GymQAError(
            f"there is no patch embedding under timm's or transformers' name, but {some}, …; give an image ViT"
        )
    own = {name.removeprefix(found["prefix"]): tensor for name, tensor in tensors.items()}
    if not found["transformers"]:
        return {_renamed(name, _TIMM): tensor for name, tensor in own.items()}
    renamed: dict[str, Tensor] = {}
    for name, tensor in own.items():
        if match := _QKV.fullmatch(name):
            block, which, part = match.groups()
            if which == "query":
                apart = [own.get(name.replace("query", one)) for one in ("query", "key", "value")]
                renamed[f"blocks.{block}.attn.qkv.{part}"] = torch.cat([one for one in apart if one is not None])
        elif match := _BLOCK.fullmatch(name):
            renamed[f"blocks.{match[1]}.{_renamed(match[2], _TRANSFORMERS_BLOCK)}"] = tensor
        else:
            renamed[_renamed(name, _TRANSFORMERS)] = tensor
    return renamed


def _renamed(name: str, table: Mapping[str, str]) -> str:
    """Replace the prefix of a name."""
    for old, new in table.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
