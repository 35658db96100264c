"""Input mean and std of pretrained weights (own file: configs import it, and it imports no torch)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality

if TYPE_CHECKING:
    from torch import Tensor

Pixels = Literal["symmetric", "imagenet", "kinetics", "caffe"]
"""Names of input normalisations: [-1, 1], or those of torchvision, PySlowFast and Caffe."""
_CAFFE = tuple(value / 255 for value in (128.0, 117.0, 104.0))  # red, green, blue; pixels 0 to 255
MEAN_STD: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "symmetric": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "kinetics": ((0.45,) * 3, (0.225,) * 3),
    "caffe": (_CAFFE, (1 / 255,) * 3),
}
"""Mean and std of pixels in [0, 1]: the network was trained on (pixel - mean) / std."""


def require_known(pixels: str) -> None:
    """Refuse an unknown normalisation."""
    if pixels not in MEAN_STD:
        raise GymQAError(
            f"pixels {pixels!r} is no known input normalisation; choose one of {', '.join(get_args(Pixels))}"
        )


def require_pixels(pixels: str, streams: Sequence[Modality]) -> None:
    """Refuse an unknown normalisation, and one of RGB pixels for a model without an RGB network.

    Args:
        pixels: name of the normalisation.
        streams: modality of each network of the model.

    Raises:
        GymQAError: either is the case.
    """
    require_known(pixels)
    if pixels != "symmetric" and "rgb" not in streams:
        raise GymQAError(
            f"pixels {pixels} is a normalisation of RGB, but the model's input is {', '.join(streams)} in [-1, 1]; "
            "set pixels to symmetric"
        )


def pixels_named(mean: list[float], std: list[float]) -> Pixels | None:
    """The name of a mean and std; None where it has none."""
    names: tuple[Pixels, ...] = get_args(Pixels)
    return next((name for name in names if MEAN_STD[name] == (tuple(mean), tuple(std))), None)


def renormalise(frames: "Tensor", pixels: Pixels) -> "Tensor":
    """Renormalise frames [B, N, 3, S, S] from [-1, 1] to the mean and std that the weights were trained with."""
    if pixels == "symmetric":
        return frames
    mean, std = (frames.new_tensor(values).view(3, 1, 1) for values in MEAN_STD[pixels])
    return (frames * 0.5 + 0.5 - mean) / std
