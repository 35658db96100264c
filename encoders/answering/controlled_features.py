"""The features that our language model is shown under a control, made once beside the predictions.

Several processes of one evaluation make them once: the first one works, the others wait for its lock and find all done.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.features.extract import FeatureStore, extract
from encoders.features.store import fingerprint_difference
from encoders.video.base import modality_of
from encoders.video.factory import create_encoder
from encoders.video.registry import options_of, own_source, parse
from eval.adapters.request import Request
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, NONE, ControlledFrames, without_control
from gymqa.frames.views import source_of
from gymqa.io.files import waiting_for_lock

if TYPE_CHECKING:
    from encoders.mllm.config import GymMLLMConfig
    from encoders.mllm.model import GymMLLM
    from encoders.video.base import VideoEncoder


def unseeing(model: "GymMLLM") -> "GymMLLM":
    """The same model, asked without videos: its prompts have no `<video>`."""
    asked = copy.copy(model)  # shares all weights
    asked.config = copy.copy(model.config)
    asked.config.blind = True
    return asked


def features_under(control: str, request: Request, tuned_with: Mapping[str, Any]) -> FeatureStore:
    """Features of the clips under a control: --features where they are that, else made of --frames.

    Args:
        control: one of `gymqa.frames.controls.CONTROLS` but no-video.
        request: what was asked for.
        tuned_with: fingerprint of the features that the model was tuned with; empty where nobody knows.

    Raises:
        GymQAError: neither was given, or features of another encoder.
    """
    given = _given(control, request, tuned_with)
    if isinstance(given, FeatureStore):
        return given
    encoder = _encoder(request, tuned_with)
    source = _source(encoder, control, request, given)
    folder = request.folder / "features" / control
    with waiting_for_lock(folder.with_name(f"{control}.lock")):
        seed, dtype = int(tuned_with.get("seed", 0)), str(tuned_with.get("dtype", "float32"))
        store = extract(encoder, source, list(request.clips), folder, seed=seed, dtype=dtype)
    return _same_encoder(store, tuned_with, request.model)


def check_controls(request: Request, config: "GymMLLMConfig") -> None:
    """Refuse what `features_under` would refuse under any of the controls, before the language model is loaded.

    Args:
        request: what was asked for.
        config: of the model.

    Raises:
        GymQAError: as there, or a control that shows a model without videos nothing.
    """
    if config.blind:
        for control in request.controls:
            if control not in (NONE, NO_VIDEO):
                raise GymQAError(
                    f"{request.model} was tuned without videos, so that {control} shows it nothing; leave it out"
                )
        return
    given = {one: _given(one, request, config.encoder) for one in request.controls if one != NO_VIDEO}
    to_make = {control: frames for control, frames in given.items() if isinstance(frames, Path)}
    if to_make:
        encoder = _encoder(request, config.encoder)
        for control, frames in to_make.items():
            _source(encoder, control, request, frames)


def _source(encoder: "VideoEncoder", control: str, request: Request, frames: Path) -> ControlledFrames:
    """What the encoder looks at under a control.

    Raises:
        GymQAError: the folder holds frames of another modality, or no other clip to be mismatched with.
    """
    return ControlledFrames(source_of(modality_of(encoder), frames), control, request.control_seed, request.elements)


def _given(control: str, request: Request, tuned_with: Mapping[str, Any]) -> FeatureStore | Path:
    """The --features where they are those of a control, else the --frames to make them of.

    Raises:
        GymQAError: neither was given, or features of another encoder.
    """
    given = None if request.features is None else FeatureStore(request.features)
    shown = None if given is None else given.fingerprint.get("control", NONE)
    if given is not None and shown == control:
        return _same_encoder(given, tuned_with, request.model)
    if request.frames is None:
        what = "no --features" if given is None else f"--features {request.features} under the control {shown}"
        raise GymQAError(
            f"the control {control} needs its own features, and there are {what}; give --frames, the folder of "
            "`gymqa cache`"
        )
    return request.frames


def _encoder(request: Request, tuned_with: Mapping[str, Any]) -> "VideoEncoder":
    """The encoder to extract with: the one named, or the model's, where its kind says which weights to take.

    Raises:
        GymQAError: it has to be named, or the model was tuned with another.
    """
    own = str(tuned_with.get("encoder", "of an unknown name"))
    name = request.encode_with or own_source(own)
    if name is None:
        raise GymQAError(
            f"{request.model} was tuned with the encoder {own}; give --encode_with what `gymqa extract` was given"
        )
    encoder = create_encoder(name, options_of(parse(name)[0], tuned_with), request.device)
    made = encoder.fingerprint()
    if tuned_with and {key: tuned_with.get(key) for key in made} != made:  # before hours are spent on its features
        raise GymQAError(f"{request.model} was tuned with another encoder than {name}; give --encode_with that one")
    return encoder


def _same_encoder(store: FeatureStore, tuned_with: Mapping[str, Any], model: str) -> FeatureStore:
    """The store, whose encoder must be the model's; what was done to the frames may differ.

    So may the seed: view 0, the only one that is asked about, does not depend on it.

    Raises:
        GymQAError: it holds features of another; the difference is named.
    """
    there, asked = ({**without_control(made), "seed": None} for made in (store.fingerprint, tuned_with))
    difference = fingerprint_difference(there, asked) if tuned_with else None
    if difference is not None:
        raise GymQAError(
            f"{store.folder} holds other features than {model} was tuned with ({difference}); give those of its encoder"
        )
    return store
