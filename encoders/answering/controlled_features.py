"""Video features under a control condition (frozen, shuffled, … frames): read from a store, or extracted from frames.

Several processes of one evaluation extract them once: the first one works, the others wait for its lock.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from encoders.features.extract import FeatureStore, extract
from encoders.features.store import fingerprint_difference
from encoders.video.base import modality_of
from encoders.video.factory import create_encoder
from encoders.video.registry import default_spec, options_of, parse
from eval.adapters.request import Request
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, NONE, ControlledFrames, without_control
from gymqa.frames.views import source_of
from gymqa.io.files import waiting_for_lock

if TYPE_CHECKING:
    from encoders.mllm.config import GymMLLMConfig
    from encoders.mllm.model import GymMLLM
    from encoders.video.base import VideoEncoder


def without_video(model: "GymMLLM") -> "GymMLLM":
    """A blind copy of the model with shared weights: its prompts have no `<video>`."""
    blind = copy.copy(model)
    blind.config = copy.copy(model.config)
    blind.config.blind = True
    return blind


def features_under(control: str, request: Request, tuned_with: Mapping[str, Any]) -> FeatureStore:
    """Features of the clips under a control: --features if they were extracted under it, else from --frames.

    Args:
        control: one of `gymqa.frames.controls.CONTROLS` but no-video.
        request: of the evaluation.
        tuned_with: fingerprint of the features that the model was tuned with; empty where unknown.

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
    """Run the checks of `features_under` for all controls before the language model is loaded.

    Args:
        request: of the evaluation.
        config: of the model.

    Raises:
        GymQAError: as there, or a control of videos for a blind model.
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
    """The encoder's frames under a control.

    Raises:
        GymQAError: the folder holds frames of another modality, or no other clip for `mismatched`.
    """
    return ControlledFrames(source_of(modality_of(encoder), frames), control, request.control_seed, request.elements)


def _given(control: str, request: Request, tuned_with: Mapping[str, Any]) -> FeatureStore | Path:
    """--features if they were extracted under the control, else the --frames to extract from.

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
    """The encoder to extract with: the one named, or the model's if its kind has default weights.

    Raises:
        GymQAError: it has to be named, or the model was tuned with another.
    """
    own = str(tuned_with.get("encoder", "of an unknown name"))
    name = request.encode_with or default_spec(own)
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
    """The store, if it was extracted by the model's encoder; control and seed may differ.

    View 0, the only one used in evaluation, does not depend on the seed.

    Raises:
        GymQAError: it holds features of another encoder; the difference is named.
    """
    there, asked = ({**without_control(made), "seed": None} for made in (store.fingerprint, tuned_with))
    difference = fingerprint_difference(there, asked) if tuned_with else None
    if difference is not None:
        raise GymQAError(
            f"{store.folder} holds other features than {model} was tuned with ({difference}); give those of its encoder"
        )
    return store
