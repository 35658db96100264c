"""Tensor names of published networks, in ours: torchvision's, timm's, Caffe's ports', the I3D port's, PySlowFast's."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from recognizers.weights_io.normalisation import Pixels

OWN = "backbone."
"""What the names of the network inside a recognizer of ours begin with."""


@dataclass(frozen=True, slots=True)
class Naming:
    """One way to name a network's tensors.

    Attributes:
        mark: a tensor that only these networks have.
        pixels: what they were trained on, unless their files say so.
        of_pictures: what those of pictures among them were trained on, where that differs.
        ours: from a name to ours; None for a classifier's.
        bgr: whether they see blue, green, red.
    """

    mark: str
    pixels: Pixels
    ours: Callable[[str], str | None]
    bgr: bool = False
    of_pictures: Pixels | None = None


def _without(*heads: str) -> Callable[[str], str | None]:
    """Names stay, but for a classifier's."""
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
    stage, place, branch, tensor = found.groups()
    return f"Mixed_{stage}{chr(ord(place) + 1)}.{_BRANCHES.get(branch, branch)}.{tensor}"


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
    """The network inside a recognizer."""
    return name.removeprefix(OWN) if name.startswith(OWN) else None


NAMINGS = (
    Naming("conv1_7x7_s2.weight", "caffe", _without("last_linear.", "fc."), bgr=True),  # BN-Inception
    Naming("Conv3d_1a_7x7.conv3d.weight", "symmetric", _of_i3d_port),
    Naming("inception3a.branch1.conv.weight", "symmetric", _of_googlenet),  # torchvision's sees [-1, 1] inside
    Naming("s1.pathway0_stem.conv.weight", "kinetics", _of_pyslowfast, of_pictures="imagenet"),
    Naming("layer1.0.conv1.weight", "imagenet", _without("fc.")),  # ResNets of torchvision and timm
)


def naming_of(names: set[str]) -> Naming | None:
    """How a network's tensors are named; None where it is in none of the known ways."""
    if any(name.startswith(OWN) for name in names):
        return Naming(OWN, "symmetric", _of_ours)
    return next((naming for naming in NAMINGS if naming.mark in names), None)
