"""Tensor names of published image ViTs, in ours (which are timm's, but for the patch embedding)."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from gymqa.errors import GymQAError

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
    """The tensors under our names; what a ViT has no place for keeps its own (a head, a pooler, a decoder).

    transformers keeps queries, keys and values apart: they become one tensor, as in timm.

    Args:
        tensors: of a ViT of timm, of transformers (ViTModel, or one inside another model), or of ImageViT.

    Raises:
        GymQAError: no patch embedding by either name.
    """
    found = next((match for match in map(_PATCHES.fullmatch, tensors) if match), None)
    if found is None:
        some = ", ".join(sorted(tensors)[:3])
        raise GymQAError(
            f"there is no patch embedding by timm's or transformers' name, but {some}, …; give an image ViT"
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
    """A name with its beginning replaced."""
    for old, new in table.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
