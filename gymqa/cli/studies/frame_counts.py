"""Change a recognizer's number of input frames: in its config, and in a trained model if its weights allow it."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch

from gymqa.errors import GymQAError
from recognizers.backbones.base import ModelConfig, Recognizer

_NUMBERS = ("segments", "n_frames")  # names of the config field


def with_n_frames(config: ModelConfig, frames: int) -> ModelConfig:
    """A config with another number of frames (or segments).

    Raises:
        GymQAError: the family has no number of frames, or this one is invalid.
    """
    changes: dict[str, Any] = {_field_name(config): frames}
    return replace(config, **changes)


def n_frames_of(config: ModelConfig) -> int:
    """The number of frames (or segments) of a config.

    Raises:
        GymQAError: the family has no number of frames.
    """
    number: int = getattr(config, _field_name(config))
    return number


def _field_name(config: ModelConfig) -> str:
    """Name of the config field that holds the number of frames."""
    own = {field.name for field in fields(config)}
    for name in _NUMBERS:
        if name in own:
            return name
    raise GymQAError(f"a {config.family} has no adjustable number of frames; choose one with segments, such as tsn")


def require_any_n_frames(config: ModelConfig, frames: Sequence[int]) -> None:
    """Check that a recognizer's weights do not depend on the number of frames.

    Raises:
        GymQAError: the weights do not fit one of the numbers, which is named.
    """
    for number in frames:
        if not fits_n_frames(config, number):
            raise GymQAError(
                f"a {config.family} that was trained with {n_frames_of(config)} frames cannot process {number}: its "
                "weights depend on their number; choose another recognizer, such as tsn or tsm"
            )


def fits_n_frames(config: ModelConfig, frames: int) -> bool:
    """Whether the weights have the same shapes for another number of frames."""
    try:
        return _shapes(with_n_frames(config, frames)) == _shapes(config)
    except GymQAError:  # for example a temporal relation of one frame
        return False


def model_with_n_frames(model: Recognizer, frames: int) -> Recognizer:
    """A recognizer with the weights of `model` for another number of frames, in evaluation mode.

    Raises:
        GymQAError: as `require_any_number`.
    """
    require_any_n_frames(model.config, [frames])
    with torch.random.fork_rng(devices=[]):  # the discarded initial weights must not change the global random state
        other = with_n_frames(model.config, frames).build()
    other.load_state_dict(model.state_dict())
    return other.eval()


def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """Name -> shape of a config's weights, without allocating them."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in config.build().state_dict().items()}
