"""What the pixels were that published weights were trained on. No torch, so that sizes are listed without it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality

if TYPE_CHECKING:
    from torch import Tensor

Pixels = Literal["symmetric", "imagenet", "kinetics", "caffe"]
"""[-1, 1], as every recognizer is shown them; or of torchvision, PySlowFast and Caffe, by mean and deviation."""
_CAFFE = tuple(value / 255 for value in (128.0, 117.0, 104.0))  # red, green, blue; pixels 0 to 255
RANGES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "symmetric": ((0.5,) * 3, (0.5,) * 3),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "kinetics": ((0.45,) * 3, (0.225,) * 3),
    "caffe": (_CAFFE, (1 / 255,) * 3),
}
"""Mean and deviation of pixels from 0 to 1: a network was trained on (pixel - mean) / deviation."""


def require_known(pixels: str) -> None:
    """Refuse a name that is none of RANGES."""
    if pixels not in RANGES:
        raise GymQAError(f"there are no pixels named {pixels!r}; choose one of {', '.join(get_args(Pixels))}")


def require_shown(pixels: str, streams: Sequence[Modality]) -> None:
    """Refuse a name that is none of RANGES, and pixels of colours for a model of whose networks none sees them alone.

    Args:
        pixels: the name.
        streams: what each of the model's networks sees.

    Raises:
        GymQAError: either.
    """
    require_known(pixels)
    if pixels != "symmetric" and "rgb" not in streams:
        raise GymQAError(
            f"pixels {pixels} are colours', and a model of {', '.join(streams)} is shown -1 to 1; "
            "set pixels to symmetric"
        )


def pixels_of(mean: list[float], std: list[float]) -> Pixels | None:
    """The name of a mean and deviation; None where it has none."""
    names: tuple[Pixels, ...] = get_args(Pixels)
    return next((name for name in names if RANGES[name] == (tuple(mean), tuple(std))), None)


def as_trained(frames: "Tensor", pixels: Pixels) -> "Tensor":
    """Frames [B, N, 3, S, S] in [-1, 1] as the network's weights were trained to see them."""
    if pixels == "symmetric":
        return frames
    mean, std = (frames.new_tensor(values).view(3, 1, 1) for values in RANGES[pixels])
    return (frames * 0.5 + 0.5 - mean) / std
