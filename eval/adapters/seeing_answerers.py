"""Answering models that look at frames themselves: those of transformers, and endpoints."""

from eval.adapters.answerers import Loaded, Request, scoring_name
from eval.adapters.clip_frames import ClipFrames
from eval.run.protocol import AnswerModel
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, ControlledFrames
from gymqa.frames.modality import source_of
from gymqa.questions.scoring import require_scoring


def load_vlm_answerer(request: Request) -> Loaded:
    """An image-text-to-text model of transformers.

    Raises:
        GymQAError: no such model, no --frames, or a scoring that it does not have.
    """
    from eval.adapters.hf_loading import load_vlm
    from eval.adapters.hf_vlm import SCORINGS, HfVlm
    from gymqa.runtime.devices import choose_device

    require_scoring("hf-vlm", request.scoring, SCORINGS)
    _check(request)
    options, scoring = request.options, request.scoring or "letters"
    by_token = options.length_normalised is not False
    device = str(choose_device(request.device))
    loaded = load_vlm(request.model, device, options.dtype, options.trust_remote_code)

    def under(control: str) -> AnswerModel:
        return HfVlm(
            request.name, loaded, shown(control, request), scoring, request.batch_size, length_normalised=by_token
        )

    return Loaded(under, scoring_name(scoring, by_token), loaded.identity.get("commit"), options.n_frames)


def load_endpoint(request: Request) -> Loaded:
    """A model behind HTTP.

    Raises:
        GymQAError: settings that cannot be, no --frames, or a scoring that it does not have.
    """
    from eval.adapters.openai_api import SCORINGS, OpenAIModel
    from eval.run.response_cache import ResponseCache

    require_scoring("openai", request.scoring, SCORINGS)
    _check(request)
    options, scoring = request.options, request.scoring or "letters"
    replies = ResponseCache(options.replies or request.folder / "replies")

    def under(control: str) -> AnswerModel:
        return OpenAIModel(request.name, request.model, shown(control, request), options.api, scoring, replies)

    return Loaded(under, scoring, None, options.n_frames)


def _check(request: Request) -> None:
    """Refuse controls that cannot be shown."""
    for control in request.controls:
        shown(control, request)


def shown(control: str, request: Request) -> ClipFrames | None:
    """The frames that are shown under a control; None without video.

    Raises:
        GymQAError: no --frames.
    """
    if control == NO_VIDEO:
        return None
    if request.frames is None:
        raise GymQAError(
            f"{request.name} has to see frames; give --frames, the folder of `gymqa cache`, or ask it under the "
            "control no-video"
        )
    source = ControlledFrames(source_of("rgb", request.frames), control, request.control_seed, request.elements)
    return ClipFrames(source, request.options.n_frames)
