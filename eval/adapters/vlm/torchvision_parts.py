"""Load transformers' processors that are written with torchvision where torchvision is not installed.

Its builds do not import beside every build of torch. The processors of images and videos use seven functions of it,
which are the same here as in torchvision 0.28 (`torchvision.transforms.v2.functional`): equal inputs give equal bits.
Where torchvision is installed, nothing of this file is used.
"""

import enum
import importlib
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import transformers
from PIL.Image import Resampling
from torch import Tensor
from torch.nn import functional
from transformers import utils

from gymqa.errors import GymQAError

_NAME = "torchvision.transforms.v2.functional"
_BITS = {torch.uint8: 255, torch.int16: 32767, torch.int32: 2147483647}


class InterpolationMode(enum.Enum):
    """How pixels are interpolated, by the names that PIL has for it."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


def resize(
    image: Tensor,
    size: Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: None = None,
    antialias: bool | None = True,
) -> Tensor:
    """Images [..., C, H, W] in another size (height, width), in pixels."""
    if isinstance(interpolation, int):
        interpolation = _modes()[Resampling(interpolation)]
    smooth = interpolation in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC, InterpolationMode.LANCZOS)
    if not smooth and interpolation is not InterpolationMode.NEAREST:
        raise GymQAError(f"resizing by {interpolation.value} needs torchvision; install it beside torch")
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    flat = image.reshape(-1, *image.shape[-3:])
    as_float = smooth and not (flat.is_floating_point() or _resizes_bytes(flat, interpolation))
    options = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    made = functional.interpolate(
        flat.float() if as_float else flat, size=list(size), mode=interpolation.value, **options
    )
    if as_float:
        made = (made.clamp(0, 255) if image.dtype == torch.uint8 else made).round().to(image.dtype)
    return made.reshape(*image.shape[:-2], *size)


def _resizes_bytes(image: Tensor, interpolation: InterpolationMode) -> bool:
    """Whether images are resized as the bytes that they are, which torchvision asks for where it is fast."""
    fast = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512") or platform.machine() in ("aarch64", "arm64")
    known = image.dtype == torch.uint8 and image.device.type == "cpu"
    return known and (fast or interpolation is not InterpolationMode.BILINEAR)


def normalize(image: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """Images [..., C, H, W] minus the mean of each channel, by its standard deviation."""
    means, deviations = (
        torch.as_tensor(values, dtype=image.dtype, device=image.device).view(-1, 1, 1) for values in (mean, std)
    )
    return (image.sub_(means) if inplace else image.sub(means)).div_(deviations)


def pad(image: Tensor, padding: Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> Tensor:
    """Images [..., C, H, W] with pixels added left, above, right and below."""
    sides = [padding] * 4 if isinstance(padding, int) else list(padding)
    left, top, right, bottom = sides * (4 // len(sides))
    value = fill[0] if isinstance(fill, list | tuple) and fill else fill or 0
    return functional.pad(image, [left, right, top, bottom], mode=padding_mode, value=float(value))


def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """A part of images [..., C, H, W]; what lies outside of them is 0."""
    high, wide = image.shape[-2:]
    kept = image[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    beyond = [max(-left, 0), max(-top, 0), max(left + width - wide, 0), max(top + height - high, 0)]
    return pad(kept, beyond) if any(beyond) else kept


def grayscale_to_rgb(image: Tensor) -> Tensor:
    """Images [..., 1 or 3, H, W] with three channels."""
    return image if image.shape[-3] >= 3 else image.repeat_interleave(3, dim=-3)


def to_dtype(image: Tensor, dtype: torch.dtype = torch.float, scale: bool = False) -> Tensor:
    """Images of another type; between integers and floats in [0, 1] where scaled."""
    if not scale or image.dtype == dtype or image.is_floating_point() == dtype.is_floating_point:
        return image.to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype).mul_(1.0 / _BITS[image.dtype])
    return image.mul(_BITS[dtype] + 1.0 - 1e-3).to(dtype)


def pil_to_tensor(image: Any) -> Tensor:
    """A PIL image as bytes [C, H, W]."""
    channels = len(image.getbands())
    data = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return data.view(image.height, image.width, channels).permute(2, 0, 1).contiguous()


@contextmanager
def _standing_in() -> Iterator[ModuleType]:
    """Answer imports of torchvision's functions inside the block."""
    made = ModuleType(_NAME)
    for part in (InterpolationMode, resize, normalize, pad, crop, grayscale_to_rgb, to_dtype, pil_to_tensor):
        setattr(made, part.__name__, part)
    names = ["torchvision", "torchvision.transforms", "torchvision.transforms.v2", _NAME]
    parents = [ModuleType(name) for name in names[:-1]]
    for parent, child, name in zip(parents, [*parents[1:], made], names[1:], strict=True):
        setattr(parent, name.rpartition(".")[2], child)
    parents[1].InterpolationMode = InterpolationMode  # type: ignore[attr-defined]
    parents[1].functional = made  # type: ignore[attr-defined]
    answered = dict(zip(names, [*parents, made], strict=True)) | {"torchvision.transforms.functional": made}
    checks = {name: getattr(utils, name) for name in ("is_torchvision_available", "is_torchvision_v2_available")}
    sys.modules.update(answered)
    try:
        for name in checks:
            setattr(utils, name, lambda: True)
        yield made
    finally:
        for name, check in checks.items():
            setattr(utils, name, check)
        for name in answered:
            del sys.modules[name]


def processor_class(name: str) -> Any:
    """A class of transformers that processes images, videos, or both with text, with torchvision or without.

    Args:
        name: of the class, as in Qwen3VLVideoProcessor or PixtralProcessor.

    Raises:
        GymQAError: transformers has none of that name.
        ImportError: it needs more of torchvision than is here.
    """
    found = getattr(transformers, name, None)
    if found is not None and not getattr(found, "is_dummy", False):
        return found
    kinds = {"VideoProcessor": "video_processing", "ImageProcessor": "image_processing"}
    kind = next((kind for ending, kind in kinds.items() if name.endswith(ending)), "processing")
    package = Path(transformers.__file__).parent / "models"
    homes = (path for path in package.glob(f"*/{kind}_*.py") if f"\nclass {name}(" in path.read_text(encoding="utf-8"))
    home = next(homes, None)
    if home is None:
        raise GymQAError(f"transformers {transformers.__version__} has no {name}; update it")
    with _standing_in() as functions:
        modes = _modes()
        # what these modules of transformers import where torchvision is installed, and lack here
        for shared in ("image_utils", "image_processing_backends", "video_processing_utils"):
            namespace = importlib.import_module(f"transformers.{shared}").__dict__
            namespace.setdefault("tvF", functions)
            namespace["is_torchvision_greater_or_equal"] = lambda version: True
            namespace.update(pil_torch_interpolation_mapping=modes)
            namespace.update(torch_pil_interpolation_mapping={mode: code for code, mode in modes.items()})
        module = importlib.import_module(f"transformers.models.{home.parent.name}.{home.stem}")
    return getattr(module, name)


def _modes() -> dict[Resampling, InterpolationMode]:
    """PIL's ways of interpolating, and those of tensors."""
    names = {Resampling.NEAREST: "NEAREST_EXACT"}
    known = InterpolationMode.__members__
    return {code: known[name] for code in Resampling if (name := names.get(code, code.name)) in known}
