"""The same recognizer for another number of frames: its sizes, and its weights where they do not depend on it."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import torch

from gymqa.errors import GymQAError
from recognizers.backbones.base import ModelConfig, Recognizer

_NUMBERS = ("segments", "n_frames")  # what families call it


def with_n_frames(config: ModelConfig, frames: int) -> ModelConfig:
    """The sizes with another number of frames, or of segments, where a family speaks of those.

    Raises:
        GymQAError: the family takes no number of frames, or not this one.
    """
    changes: dict[str, Any] = {_field_name(config): frames}
    return replace(config, **changes)


def n_frames_of(config: ModelConfig) -> int:
    """The number that `with_frames` sets.

    Raises:
        GymQAError: the family has none.
    """
    number: int = getattr(config, _field_name(config))
    return number


def _field_name(config: ModelConfig) -> str:
    """What the family calls it."""
    own = {field.name for field in fields(config)}
    for name in _NUMBERS:
        if name in own:
            return name
    raise GymQAError(f"a {config.family} takes no plain number of frames; choose one with segments, such as tsn")


def require_any_n_frames(config: ModelConfig, frames: Sequence[int]) -> None:
    """Refuse a recognizer whose weights depend on the number of frames.

    Raises:
        GymQAError: weights of these sizes do not fit one of the numbers, which is named.
    """
    for number in frames:
        if not fits_n_frames(config, number):
            raise GymQAError(
                f"a {config.family} that was trained with {n_frames_of(config)} frames cannot process {number}: its "
                "weights depend on their number; choose another recognizer, such as tsn or tsm"
            )


def fits_n_frames(config: ModelConfig, frames: int) -> bool:
    """Whether weights of these sizes are those of another number of frames, too."""
    try:
        return _shapes(with_n_frames(config, frames)) == _shapes(config)
    except GymQAError:  # a relation of one frame, say
        return False


def model_with_n_frames(model: Recognizer, frames: int) -> Recognizer:
    """A recognizer with the weights of `model` that looks at another number of frames; in evaluation mode.

    Raises:
        GymQAError: as `require_any_number`.
    """
    require_any_n_frames(model.config, [frames])
    with torch.random.fork_rng(devices=[]):  # what is overwritten at once must not move anybody's draws
        other = with_n_frames(model.config, frames).build()
    other.load_state_dict(model.state_dict())
    return other.eval()


def _shapes(config: ModelConfig) -> dict[str, torch.Size]:
    """The shapes of the weights of these sizes, none of which is filled."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in config.build().state_dict().items()}
