"""Reading a saved recognizer of any family, from a folder or the Hub."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from recognizers.backbones.base import Recognizer
from recognizers.backbones.image.vit import read_weights
from recognizers.backbones.registry import FAMILIES
from recognizers.backbones.sizes import ModelConfig
from recognizers.weights_io.tensors import load_exactly, model_folder


def load_recognizer(source: Path | str) -> Recognizer:
    """Read what `save_pretrained` or `push_to_hub` wrote; the model is in evaluation mode.

    Args:
        source: a folder, or a model on the Hub, owner/name.

    Raises:
        GymQAError: a file is missing or damaged, or the weights are of another architecture; it says which.
    """
    folder = model_folder(source)
    config = read_config(folder)
    with torch.random.fork_rng(devices=[]):  # what is overwritten at once must not move anybody's draws
        model = config.build()
    load_exactly(model, read_weights(folder), folder)
    return model.eval()


def read_config(folder: Path) -> ModelConfig:
    """Read config.json of a saved recognizer.

    Raises:
        GymQAError: it is missing, of no family of ours, or has settings that the family has not.
    """
    values: dict[str, Any] = read_json(folder / "config.json")
    name = values.pop("model", None) if isinstance(values, dict) else None
    if name not in FAMILIES:
        what = f"; its config.json is of the model {name!r}" if name else ""
        raise GymQAError(f"{folder} does not hold a recognizer{what}; give the folder that training wrote")
    family = FAMILIES[name]
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
