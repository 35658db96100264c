"""Create recognizers by name with fresh weights, and load saved ones from a folder or the Hub."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gymqa.errors import GymQAError
from gymqa.runtime.registry import import_object, is_plug_in
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.backbones.registry import FAMILIES, RECOGNIZERS
from recognizers.weights_io.saved import read_config_as, read_family
from recognizers.weights_io.tensors import load_exactly, model_folder, read_weights, require_same_shapes

PLUG_INS = "GYMQA_PLUGINS"
"""Environment variable: comma-separated modules of the user's own whose saved models may be loaded."""


def model_config(name: str, **changes: Any) -> ModelConfig:
    """The config of a recognizer by name, or of the user's own, `package.module:function`.

    Args:
        name: a registered recognizer, or a plug-in function that returns a config whose `family` is its own class.
        changes: fields to replace.

    Raises:
        GymQAError: there is no such name (the closest ones are given), or the plug-in does not fit.
    """
    config = RECOGNIZERS.make(name, ModelConfig)  # type: ignore[type-abstract]
    own = f"{type(config).__module__}:{type(config).__name__}"
    if is_plug_in(name) and config.family not in FAMILIES and config.family != own:
        raise GymQAError(f"recognizer {name}: set family of {type(config).__name__} to {own!r}, so that it loads again")
    return replace(config, **changes)


def create_model(name: str, **changes: Any) -> Recognizer:
    """Build a recognizer by name, with fresh weights."""
    return model_config(name, **changes).build()


def load_recognizer(source: Path | str) -> Recognizer:
    """Read what `save_pretrained` or `push_model` wrote; the model is in evaluation mode.

    Args:
        source: a folder, or a model on the Hub, owner/name.

    Raises:
        GymQAError: a file is missing or damaged, or the weights are of another architecture; it says which.
    """
    folder = model_folder(source)
    config, weights = read_config(folder), read_weights(folder)
    with torch.random.fork_rng(devices=[]):  # the weights are overwritten at once: leave the random state alone
        with torch.device("meta"):  # a config that asks for more than the file holds allocates nothing
            require_same_shapes(config.build(), weights, folder)
        model = config.build()
    load_exactly(model, weights, folder)
    return model.eval()


def read_config(folder: Path) -> ModelConfig:
    """Read config.json of a saved recognizer.

    Raises:
        GymQAError: it is missing, its family may not be loaded, or it has fields that the family does not have.
    """
    return read_config_as(folder, family_named(read_family(folder)))


def family_named(name: str) -> type[ModelConfig]:
    """The config class of a family. Saved files name the family, so only allowed modules are imported.

    Raises:
        GymQAError: there is no such family, it is no config, or its module is neither imported nor in GYMQA_PLUGINS.
    """
    module = name.partition(":")[0]
    allowed = {one.strip() for one in os.environ.get(PLUG_INS, "").split(",")} | set(sys.modules)
    if name not in FAMILIES and module not in allowed:
        raise GymQAError(
            f"the model's family {name} is not part of gymqa; if you trust that module, set {PLUG_INS}={module}"
        )
    family = import_object(FAMILIES.get(name, name), "recognizer")
    if not isinstance(family, type) or not issubclass(family, ModelConfig):
        raise GymQAError(f"the model is of {name}, which is no class of ModelConfig; give a saved recognizer")
    return family
