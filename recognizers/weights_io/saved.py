"""A saved recognizer's config.json, and its weights, all but the head's, taken up by another training."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.backbones.registry import is_family
from recognizers.weights_io.tensors import SHOWN, for_other_channels, lacking, model_folder, read_weights, weights_hash

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
    """A hash of the weights that were saved in a folder or on the Hub, a recognizer's or an image ViT's.

    Raises:
        GymQAError: there are none.
    """
    return weights_hash(model_folder(source))


def read_family(folder: Path) -> str:
    """The family that config.json of a saved recognizer names.

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
        GymQAError: it has settings that the family has not, or values of another kind.
    """
    values = {setting: value for setting, value in read_json(folder / "config.json").items() if setting != "model"}
    known = {field.name: getattr(family(), field.name) for field in fields(family)}
    fixed = {field.name for field in fields(family) if not field.init}
    for setting, value in values.items():
        if setting not in known:
            raise GymQAError(f"{folder / 'config.json'} has an unknown setting {setting!r}; train the model again")
        if not _fits(value, known[setting]) or (setting in fixed and value != known[setting]):
            raise GymQAError(f"{folder / 'config.json'}: {setting} cannot be {value!r}; copy or train the model again")
    return family(**{setting: value for setting, value in values.items() if setting not in fixed})


def _fits(value: Any, default: Any) -> bool:
    """Whether a value read from JSON is of a setting's kind."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(type(one) is int for one in value)
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def start_from_recognizer(model: "Recognizer", source: Path | str, added: Collection[str] = ()) -> str:
    """Take up a saved recognizer's weights, all but the head's, in place.

    Where it saw rgb and the model sees something else, the first layer's filters become their mean over the colours,
    if the family allows that. The head stays fresh even where its shape is the same: after a self-supervised
    pre-training it has learnt nothing.

    Args:
        model: what is to be trained.
        source: a folder with config.json and model.safetensors, or owner/name on the Hub.
        added: tensors of the model that stay fresh where the source has none of them.

    Returns:
        A sentence on what was loaded, what stays fresh, and what was left out.

    Raises:
        GymQAError: no such recognizer, one of another family, or of other sizes; the tensors that differ are named.
    """
    folder = model_folder(source)
    family = read_family(folder)
    if family != model.config.family:
        raise GymQAError(f"{source} holds a {family}, and a {model.config.family} is trained; give one of its family")
    saved = read_config_as(folder, type(model.config))
    weights = read_weights(folder)
    fitted: list[str] = []
    if saved.modality == "rgb" != model.config.modality and model.config.adapts_colours:
        weights, fitted = _for_channels_of(model, weights)
    fresh = lacking(added, weights)
    learnt = {name: tensor.shape for name, tensor in model.state_dict().items() if not name.startswith(_HEAD)}
    own = {name: shape for name, shape in learnt.items() if name not in fresh}
    found = {name: tensor.shape for name, tensor in weights.items() if not name.startswith(_HEAD)}
    differ = sorted(name for name in own.keys() | found.keys() if own.get(name) != found.get(name))
    if differ:
        more = f" and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
        raise GymQAError(
            f"{source} is a {family} of other sizes: {', '.join(differ[:SHOWN])}{more} differ; "
            f"set the model's sizes as in its config.json, whose modality is {saved.modality}"
        )
    model.load_state_dict({name: weights[name] for name in own}, strict=False)
    left_out = sorted(weights.keys() - own.keys())
    resized = f", {len(fitted)} of them resized ({', '.join(fitted)})" if fitted else ""
    more = f", {len(fresh)} fresh" if fresh else ""
    return f"{len(own)} tensors loaded{resized}{more}, {len(left_out)} left out ({', '.join(left_out)})"


def _for_channels_of(model: "Recognizer", weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Weights of colours for what the model sees, and the names of those that were changed."""
    own = model.state_dict()
    seen = {name: for_other_channels(one, own[name]) if name in own else one for name, one in weights.items()}
    return seen, sorted(name for name, one in weights.items() if seen[name] is not one)
