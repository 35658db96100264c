"""A recognizer's class probabilities under a control: what `gymqa predict` wrote, or made beside the predictions."""

import json
from pathlib import Path

from gymqa.annotations import Clip
from gymqa.atomic import read_json, write_json
from gymqa.commands.answerers import Request
from gymqa.controls import NONE, ControlledFrames
from gymqa.draws import hash_key
from gymqa.errors import GymQAError
from gymqa.locks import waiting_for_lock
from gymqa.modalities import source_of


def classes_under(control: str, request: Request) -> Path:
    """A recognizer's class probabilities under a control: the file of `gymqa predict`, or one made of --frames.

    Raises:
        GymQAError: a file under another control, or a recognizer without --frames.
    """
    if request.model.endswith(".jsonl"):
        shown = _control_of(Path(request.model))
        if shown != control:
            raise GymQAError(
                f"{request.model} was predicted under the control {shown}, not {control}; predict with --control "
                f"{control}, or give the recognizer's folder and --frames"
            )
        return Path(request.model)
    if request.frames is None:
        raise GymQAError(f"{request.model} is a recognizer that has to see; give --frames, the folder of `gymqa cache`")
    out = request.folder / "classes" / f"{control}.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    with waiting_for_lock(out.with_suffix(".lock")):
        _predict(control, request, request.frames, out)
    return out


def _predict(control: str, request: Request, frames: Path, out: Path) -> None:
    """Write a recognizer's class probabilities of the clips, unless they are there."""
    from gymqa.devices import choose_device
    from recognizers.backbones.image_vit import weights_hash
    from recognizers.predict import predict, save_predictions
    from recognizers.recognizer import Recognizer
    from recognizers.saved import read_config

    seen_as = source_of(read_config(Path(request.model)).modality, frames)
    source = ControlledFrames(seen_as, control, request.control_seed, request.elements)
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
    model = Recognizer.from_pretrained(Path(request.model)).to(choose_device(request.device))
    found = predict(model, source, clips)  # of the usual batch size: the file is hashed to its last digit
    stamp.unlink(missing_ok=True)
    save_predictions(out, clips, found, source.failures, control)
    write_json(stamp, made_of)


def _control_of(path: Path) -> str:
    """The control that the lines of `gymqa predict` name."""
    try:
        with path.open(encoding="utf-8") as file:
            first = json.loads(file.readline())
        return str(first.get("control", NONE))
    except (OSError, ValueError, AttributeError):
        return NONE  # what is wrong with the file is said where it is read
