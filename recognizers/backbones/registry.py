"""Recognizers by name. A decorator registers a function, and the function's name is the model's name."""

import difflib
from collections.abc import Callable
from dataclasses import asdict

from gymqa.errors import GymQAError
from recognizers.sefar import SeFAR, SeFARConfig

ConfigMaker = Callable[[], SeFARConfig]
_MODELS: dict[str, ConfigMaker] = {}


def register(maker: ConfigMaker) -> ConfigMaker:
    """Register a function that returns a model's sizes, under the function's name.

    Raises:
        GymQAError: the name is taken.
    """
    if maker.__name__ in _MODELS:
        raise GymQAError(f"recognizer {maker.__name__} is registered twice; rename one")
    _MODELS[maker.__name__] = maker
    return maker


def list_models() -> list[str]:
    """Names of all recognizers, sorted."""
    return sorted(_MODELS)


def model_config(name: str, **changes: object) -> SeFARConfig:
    """The sizes of a recognizer by name; `changes` replace single settings.

    Raises:
        GymQAError: there is no such name (the closest ones are named).
    """
    if name not in _MODELS:
        near = difflib.get_close_matches(name, _MODELS, cutoff=0) or list_models()
        raise GymQAError(f"there is no recognizer {name!r}; did you mean {', '.join(near)}?")
    return SeFARConfig(**{**asdict(_MODELS[name]()), **changes})  # type: ignore[arg-type]


def create_model(name: str, **changes: object) -> SeFAR:
    """Build a recognizer by name, with fresh weights."""
    return SeFAR(model_config(name, **changes))


@register
def sefar_tiny() -> SeFARConfig:
    """The demo's: 36 patches a frame, a second of CPU for a few hundred clips."""
    return SeFARConfig()


@register
def sefar_s() -> SeFARConfig:
    """SeFAR-S of the paper: 31.26 M parameters at 99 classes."""
    return SeFARConfig(image_size=224, patch_size=16, dim=384, depth=12, heads=6, fusion_dim=256, n_classes=99)


@register
def sefar_b() -> SeFARConfig:
    """SeFAR-B of the paper: 122.27 M parameters at 99 classes."""
    return SeFARConfig(image_size=224, patch_size=16, dim=768, depth=12, heads=12, fusion_dim=256, n_classes=99)
