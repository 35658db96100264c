"""Adapter `recognizer` of `gymqa evaluate`: answers from class probabilities, saved or predicted from --frames."""

from collections.abc import Sequence
from pathlib import Path

import torch

from eval.adapters.provenance import Provenance
from eval.adapters.recognizer import RecognizerAnswerer
from eval.adapters.request import Loaded, Request
from eval.metrics.fusion import control_of
from eval.metrics.recognition import read_class_predictions
from eval.run.protocol import AnswerModel
from eval.run.results import file_info
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.frames.controls import NO_VIDEO, ControlledFrames, Shown, shown_of
from gymqa.frames.views import source_of
from gymqa.io.files import read_json, waiting_for_lock, write_json
from gymqa.questions.scoring import require_scoring
from gymqa.runtime.devices import choose_device
from gymqa.runtime.seeding import hash_key
from recognizers.backbones.base import ModelConfig
from recognizers.factory import load_recognizer, read_config
from recognizers.loader import centre_indices
from recognizers.predict import predict, save_predictions
from recognizers.weights_io.tensors import weights_hash


def load(request: Request) -> Loaded:
    """Load the adapter from saved class probabilities, or from a folder of `gymqa train` with --frames.

    Raises:
        GymQAError: as `check_classes`, or a scoring was requested, which this adapter does not have.
    """
    require_scoring("recognizer", request.scoring, ())
    check_classes(request.controls, request)

    def under(control: str) -> AnswerModel:
        found = read_class_predictions(classes_under(control, request))
        answerer = RecognizerAnswerer(request.name, found.by_clip(), found.errors)
        return Provenance(answerer, revision_of(request.model), frames_under(control, request))

    return Loaded(under, "classes", parameters=parameters_of(request.model))


def check_classes(controls: Sequence[str], request: Request) -> None:
    """Refuse, before anything is read, controls for which class probabilities neither exist nor can be predicted.

    Raises:
        GymQAError: predictions under another control, a recognizer without --frames or with frames of another
            modality, the control no-video, or no other clip for the control mismatched.
    """
    for control in controls:
        if control == NO_VIDEO:
            raise GymQAError("a recognizer cannot be asked without a video; leave the control no-video out")
        shown = control_of([Path(request.model)]) if _is_saved(request.model) else control
        if shown != control:
            raise GymQAError(
                f"{request.model} was predicted under the control {shown}, not {control}; predict with --control "
                f"{control}, or give the recognizer's folder and --frames"
            )
    if request.frames is None and not _is_saved(request.model):
        raise GymQAError(
            f"{request.model} is a recognizer, which needs frames; give --frames, the folder of `gymqa cache`"
        )
    if request.frames is None or _is_saved(request.model):
        return
    config = read_config(Path(request.model))
    for control in controls:
        _source(config, control, request, request.frames)


def classes_under(control: str, request: Request) -> Path:
    """The file of class probabilities under a control: that of `gymqa predict`, or one predicted from --frames.

    Raises:
        GymQAError: as `check_classes`.
    """
    check_classes([control], request)
    if request.frames is None or _is_saved(request.model):
        return Path(request.model)
    out = request.folder / "classes" / f"{control}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    with waiting_for_lock(out.with_suffix(".lock")):
        _predict(control, request, request.frames, out)
    return out


def _predict(control: str, request: Request, frames: Path, out: Path) -> None:
    """Predict and write the clips' class probabilities, unless the file is there already."""
    source = _source(read_config(Path(request.model)), control, request, frames)
    clips = [Clip(clip, question.video_id, question.element) for clip, question in request.clips.items()]
    seen = hash_key(*(clip.id for clip in clips if clip.id in source)).hex()
    made_of = {
        "weights": weights_hash(Path(request.model)),
        "frames": source.fingerprint(),
        "clips": [hash_key(*(clip.id for clip in clips)).hex(), seen],
    }
    stamp = out.with_suffix(".settings.json")
    if out.exists() and stamp.exists() and read_json(stamp) == made_of:
        return
    model = load_recognizer(Path(request.model)).to(choose_device(request.device))
    found = predict(model, source, clips)  # default batch size: the file's hash depends on the last digit
    stamp.unlink(missing_ok=True)
    save_predictions(out, clips, found, source.failures, control)
    write_json(stamp, made_of)


def frames_under(control: str, request: Request) -> dict[str, Shown]:
    """Indices of the frames that were predicted from, by clip id; empty for saved class probabilities."""
    if request.frames is None or _is_saved(request.model):
        return {}
    config = read_config(Path(request.model))
    source = _source(config, control, request, request.frames)
    clips = [clip for clip in request.clips if clip in source]
    return {clip: shown_of(source, clip, centre_indices(source, [clip], config)[0]) for clip in clips}


def revision_of(model: str) -> str:
    """The start of a hash of the weights, or of the saved class probabilities."""
    return (file_info(Path(model)).sha256 if _is_saved(model) else weights_hash(Path(model)))[:12]


def parameters_of(model: str) -> int | None:
    """The number of parameters of a recognizer's folder; None for saved class probabilities."""
    if _is_saved(model):
        return None
    with torch.device("meta"):
        return sum(one.numel() for one in read_config(Path(model)).build().parameters())


def _is_saved(model: str) -> bool:
    """Whether a model is given by its class probabilities."""
    return model.endswith(".jsonl")


def _source(config: ModelConfig, control: str, request: Request, frames: Path) -> ControlledFrames:
    """The recognizer's frames under a control."""
    return ControlledFrames(source_of(config.modality, frames), control, request.control_seed, request.elements)
