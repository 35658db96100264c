"""Load image ViT weights into a TimeSformer (copied attention, resized positions), and a report of loaded tensors."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.timesformer import TimeSformer

NAMED = 6  # most tensor names that a log line lists
_BLOCK = re.compile(r"blocks\.(\d+)\.")


@dataclass(slots=True)
class LoadReport:
    """Tensor names: the model's loaded, resized and fresh (missing) ones, and the checkpoint's left-out ones."""

    loaded: list[str] = field(default_factory=list)
    resized: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """One line for the log."""
        counts = f"{len(self.loaded)} tensors loaded, {len(self.resized)} of them resized{_named(self.resized)}"
        left_out = f"{len(self.left_out)} of the checkpoint left out{_named(self.left_out)}"
        return f"{counts}, {len(self.missing)} fresh, {left_out}"


def _named(names: list[str]) -> str:
    """The names in brackets, unless there are none or too many."""
    return f" ({', '.join(sorted(names))})" if 0 < len(names) <= NAMED else ""


def start_from_image_vit(model: TimeSformer, weights: Mapping[str, Tensor], copy_attention: bool = True) -> LoadReport:
    """Load an image ViT's tensors (our names, which are timm's) into a TimeSformer, in place.

    Args:
        model: the network to initialise.
        weights: tensors by name: of an ImageViT, or of a timm `vit_*_patch*` checkpoint.
        copy_attention: initialise time attention and its norm as copies of the spatial ones (TimeSformer's convention);
            False leaves them at random. temporal_fc is zero in all blocks but the first either way.

    Returns:
        Names of loaded, resized (position embeddings of another grid), left-out and fresh tensors.

    Raises:
        GymQAError: the checkpoint has another width or other blocks, or no tensor fits.
    """
    own = model.state_dict()
    report = LoadReport()
    theirs, ours = (tensors["cls_token"].shape[-1] if "cls_token" in tensors else 0 for tensors in (weights, own))
    if theirs not in (0, ours):
        raise GymQAError(f"the checkpoint has width {theirs}, but the model {ours}; give one of the same width")
    for name, tensor in weights.items():
        target = name.replace("patch_embed.proj.", "patch_embed.")
        if target == "pos_embed" and target in own and tensor.shape != own[target].shape:
            resized = resize_positions(tensor, own[target].shape[1])
            if resized.shape == own[target].shape:
                report.resized.append(target)
                tensor = resized
        if target not in own or own[target].shape != tensor.shape:
            report.left_out.append(name)
            continue
        for copy in (target, *_time_copies(target, copy_attention)):
            own[copy] = tensor
            report.loaded.append(copy)
    _require_same_blocks(report.left_out, len(model.blocks))
    if not report.loaded:
        raise GymQAError(
            "no tensor of the checkpoint fits the model; check that both have the same width and patch size"
        )
    report.missing = [name for name in own if name not in set(report.loaded)]
    with torch.no_grad():
        model.load_state_dict(own)
    return report


def _require_same_blocks(left_out: list[str], depth: int) -> None:
    """Refuse a checkpoint whose blocks have tensors that the model's blocks lack; it may have more blocks."""
    odd = [name for name in left_out if (block := _BLOCK.match(name)) and int(block[1]) < depth]
    if odd:
        more = f" and {len(odd) - 3} more" if len(odd) > 3 else ""
        raise GymQAError(
            f"the checkpoint's blocks have tensors that the model's lack: {', '.join(odd[:3])}{more}; give a plain ViT"
        )


def _time_copies(name: str, wanted: bool) -> list[str]:
    """The temporal twin of a spatial attention tensor's name, if it has one."""
    if not wanted or not name.startswith("blocks.") or not (".attn." in name or ".norm1." in name):
        return []
    return [name.replace(".attn.", ".temporal_attn.").replace(".norm1.", ".temporal_norm1.")]


def resize_positions(positions: Tensor, tokens: int) -> Tensor:
    """Bicubic resize of square position embeddings: [1, 1 + p², D] -> [1, tokens, D], the CLS row kept.

    Raises:
        GymQAError: they are not embeddings of a CLS token and a square grid of patches.
    """
    patches = positions.shape[1] - 1 if positions.ndim == 3 else 0
    if patches < 1 or math.isqrt(patches) ** 2 != patches:
        raise GymQAError(
            f"the checkpoint's position embeddings {list(positions.shape)} are not of a CLS token and a square grid of "
            "patches; give another ViT"
        )
    old, new = math.isqrt(positions.shape[1] - 1), math.isqrt(tokens - 1)
    grid = positions[:, 1:].reshape(1, old, old, -1).permute(0, 3, 1, 2).float()
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1].float(), grid.flatten(2).transpose(1, 2)], 1)
