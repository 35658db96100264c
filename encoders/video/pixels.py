"""Pixel preprocessing on tensors: from uint8 frames of the cache to a pre-trained vision model's input.

The steps are those of transformers' image processors: resize, centre crop, scale, normalise. Their settings are read
from the model's preprocessor_config.json; torchvision is not needed.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from encoders.video.base import Normalisation
from gymqa.errors import GymQAError

LARGEST_IMAGE = 4096
"""Pixels of a side; vision models take 224 to 1,024."""

BILINEAR, BICUBIC = 2, 3  # as PIL numbers them


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of a model's frames.

    Attributes:
        size: side of the model's input in pixels.
        resized: side before the centre crop.
        resample: BILINEAR or BICUBIC.
        normalisation: of pixels in [0, 1].
    """

    size: int
    resized: int
    resample: int
    normalisation: Normalisation

    def __call__(self, frames: Tensor, device: str = "cpu") -> Tensor:
        """Frames uint8 [B, T, S, S, 3] -> float [B, T, 3, size, size] on a device.

        Resizing works on uint8, as PIL does, which torch offers on the CPU only; in floats, noise images differed by up
        to 11 levels.
        """
        x = frames.flatten(0, 1).permute(0, 3, 1, 2).cpu()  # [B T, 3, S, S]
        if x.shape[-1] != self.resized:
            mode = "bicubic" if self.resample == BICUBIC else "bilinear"
            x = F.interpolate(x, (self.resized, self.resized), mode=mode, antialias=True)
        edge = (self.resized - self.size) // 2
        x = x[..., edge : edge + self.size, edge : edge + self.size].to(device)
        mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in self.normalisation)
        return ((x / 255 - mean) / std).unflatten(0, frames.shape[:2])

    def fingerprint(self) -> list[Any]:
        """Everything the pixels depend on, as JSON values."""
        return [self.size, self.resized, self.resample, list(self.normalisation.mean), list(self.normalisation.std)]


def read_preprocessing(
    settings: Mapping[str, Any], image_size: Any, default: Normalisation, resample: int, source: str
) -> Preprocessing:
    """The preprocessing of a checkpoint.

    Args:
        settings: its preprocessor_config.json, empty where there is none.
        image_size: side in pixels, of its config.json.
        default: normalisation where the settings have none.
        resample: resampling method where the settings have none.
        source: folder or Hub name, for errors.

    Raises:
        GymQAError: the settings contradict the model or are not supported.
    """
    size = square_side(image_size, source)
    cropped = settings.get("do_center_crop", True) is True and "crop_size" in settings
    resized = square_side(settings["size"], source) if cropped and "size" in settings else size
    given = square_side(settings["crop_size"], source) if cropped else square_side(settings.get("size", size), source)
    if given != size or resized < size:
        raise GymQAError(f"{source} prepares images of {given} pixels for a model of {size}; mend its files")
    chosen = settings.get("resample", resample)
    if chosen not in (BILINEAR, BICUBIC):
        raise GymQAError(f"{source} resizes by PIL's method {chosen!r}; only bilinear (2) and bicubic (3) are known")
    factor = settings.get("rescale_factor", 1 / 255)
    if settings.get("do_rescale", True) is not True or type(factor) is not float or abs(factor - 1 / 255) > 1e-6:
        raise GymQAError(f"{source} does not scale pixels to [0, 1]; mend its preprocessor_config.json")
    return Preprocessing(size, resized, chosen, _normalisation(settings, default, source))


def _normalisation(settings: Mapping[str, Any], default: Normalisation, source: str) -> Normalisation:
    """Mean and standard deviation of a checkpoint's pixels."""
    if settings.get("do_normalize") is False:
        return Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    mean, std = settings.get("image_mean", default.mean), settings.get("image_std", default.std)
    for values in (mean, std):
        numbers = isinstance(values, list | tuple) and len(values) == 3
        if not numbers or not all(type(one) in (int, float) and math.isfinite(one) for one in values):
            raise GymQAError(f"{source} normalises pixels by {mean} and {std}, not by three numbers each")
    if min(std) <= 0:
        raise GymQAError(f"{source} divides pixels by {std}; mend its preprocessor_config.json")
    return Normalisation(tuple(map(float, mean)), tuple(map(float, std)))


def square_side(value: Any, source: str) -> int:
    """Side of a square in pixels, from a number, a pair, or a size entry of preprocessor_config.json.

    Raises:
        GymQAError: it is not a square.
    """
    if isinstance(value, Mapping):
        value = value.get("shortest_edge", [value.get("height"), value.get("width")])
    edges: list[Any] = list(value) if isinstance(value, list | tuple) else [value]
    if not edges or any(type(edge) is not int or edge < 1 or edge != edges[0] for edge in edges):
        raise GymQAError(f"{source} takes images of {value}; only squares of whole pixels are supported")
    if edges[0] > LARGEST_IMAGE:
        raise GymQAError(f"{source} takes images of {edges[0]} pixels; at most {LARGEST_IMAGE} are supported")
    return int(edges[0])
