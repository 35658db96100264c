"""Saved recognizers: read config.json, hash the weights, and initialise another training from them (without head)."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.io.typed_json import read_object, require_buildable
from recognizers.backbones.registry import is_family
from recognizers.weights_io.tensors import (
    MAX_NAMES,
    absent_tensors,
    average_input_channels,
    model_folder,
    read_weights,
    weights_hash,
)

if TYPE_CHECKING:
    from recognizers.backbones.base import ModelConfig, Recognizer

Config = TypeVar("Config", bound="ModelConfig")
_HEAD = "head."


def holds_recognizer(source: Path | str) -> bool:
    """Whether a folder, or a model on the Hub, is a saved recognizer."""
    path = model_folder(source) / "config.json"
    if not path.is_file():
        return False
    values = read_json(path)
    return isinstance(values, dict) and is_family(values.get("model"))


def saved_hash(source: Path | str) -> str:
    """Hash of the saved weights of a recognizer or image ViT, in a folder or on the Hub.

    Raises:
        GymQAError: there are no weights.
    """
    return weights_hash(model_folder(source))


def read_family(folder: Path) -> str:
    """The family of a saved recognizer, from its config.json.

    Raises:
        GymQAError: the file is missing, or is no recognizer's.
    """
    values = read_json(folder / "config.json")
    name = values.get("model") if isinstance(values, dict) else None
    if not is_family(name):
        what = f"; its config.json is of the model {name!r}" if name else ""
        raise GymQAError(f"{folder} does not hold a recognizer{what}; give the folder that training wrote")
    return str(name)


def read_config_as(folder: Path, family: type[Config]) -> Config:
    """Read config.json of a saved recognizer of a known family.

    Raises:
        GymQAError: it has fields that the family does not have, or values of another type.
    """
    values = {setting: value for setting, value in read_object(folder / "config.json").items() if setting != "model"}
    require_buildable(folder / "config.json", values)
    known = {field.name: getattr(family(), field.name) for field in fields(family)}
    fixed = {field.name for field in fields(family) if not field.init}
    for setting, value in values.items():
        if setting not in known:
            raise GymQAError(f"{folder / 'config.json'} has an unknown setting {setting!r}; train the model again")
        if not _fits(value, known[setting]) or (setting in fixed and value != known[setting]):
            raise GymQAError(f"{folder / 'config.json'}: {setting} cannot be {value!r}; copy or train the model again")
    return family(**{setting: value for setting, value in values.items() if setting not in fixed})


def _fits(value: Any, default: Any) -> bool:
    """Whether a value read from JSON has the type of a field's default."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(type(one) is int for one in value)
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def start_from_recognizer(model: "Recognizer", source: Path | str, added: Collection[str] = ()) -> str:
    """Load a saved recognizer's weights except for its head, in place.

    Where it was trained on rgb and the model has another modality, the first layer's filters are averaged over RGB, if
    the family allows it. The head stays fresh even where its shape is the same: a self-supervised pre-training does not
    train it.

    Args:
        model: the model to be trained.
        source: a folder with config.json and model.safetensors, or owner/name on the Hub.
        added: tensors of the model that stay fresh where the source lacks them.

    Returns:
        A sentence for the log on loaded, fresh and left-out tensors.

    Raises:
        GymQAError: no such recognizer, or one of another family or config; lists the differing tensors.
    """
    folder = model_folder(source)
    family = read_family(folder)
    if family != model.config.family:
        raise GymQAError(
            f"{source} holds a {family}, but a {model.config.family} is trained; give weights of that family"
        )
    saved = read_config_as(folder, type(model.config))
    weights = read_weights(folder)
    fitted: list[str] = []
    if saved.modality == "rgb" != model.config.modality and model.config.adapts_rgb_weights:
        weights, fitted = _for_channels_of(model, weights)
    fresh = absent_tensors(added, weights)
    learnt = {name: tensor.shape for name, tensor in model.state_dict().items() if not name.startswith(_HEAD)}
    own = {name: shape for name, shape in learnt.items() if name not in fresh}
    found = {name: tensor.shape for name, tensor in weights.items() if not name.startswith(_HEAD)}
    differ = sorted(name for name in own.keys() | found.keys() if own.get(name) != found.get(name))
    if differ:
        more = f" and {len(differ) - MAX_NAMES} more" if len(differ) > MAX_NAMES else ""
        raise GymQAError(
            f"{source} is a {family} of another config: {', '.join(differ[:MAX_NAMES])}{more} differ; "
            f"configure the model as its config.json, whose modality is {saved.modality}"
        )
    model.load_state_dict({name: weights[name] for name in own}, strict=False)
    left_out = sorted(weights.keys() - own.keys())
    resized = f", {len(fitted)} of them resized ({', '.join(fitted)})" if fitted else ""
    more = f", {len(fresh)} fresh" if fresh else ""
    return f"{len(own)} tensors loaded{resized}{more}, {len(left_out)} left out ({', '.join(left_out)})"


def _for_channels_of(model: "Recognizer", weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Adapt RGB weights to the model's input channels; also returns the names of the adapted tensors."""
    own = model.state_dict()
    seen = {name: average_input_channels(one, own[name]) if name in own else one for name, one in weights.items()}
    return seen, sorted(name for name, one in weights.items() if seen[name] is not one)
