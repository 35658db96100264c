"""Answering models by adapter name, as `gymqa evaluate` builds them.

A builder loads its model once; the model is then asked under one control after the other. To add one, write a function
Request -> Loaded and name it in BUILDERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eval.protocol import AnswerModel
from gymqa.atomic import read_json
from gymqa.controls import NO_VIDEO, NONE
from gymqa.errors import GymQAError
from gymqa.questions import Question


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line says of a model and what it looks at; see `gymqa.commands.evaluate.evaluate`.

    `folder` is where features and class probabilities that are made on the way are kept; `clips` has one question
    about each clip that is asked about, by clip id.
    """

    model: str
    name: str
    scoring: str
    batch_size: int
    device: str
    features: Path | None
    frames: Path | None
    encode_with: str | None
    control_seed: int
    folder: Path
    clips: Mapping[str, Question]

    @property
    def elements(self) -> dict[str, int]:
        """Each clip's element, which a mismatched video differs in."""
        return {clip: question.element for clip, question in self.clips.items()}


@dataclass(frozen=True)
class Loaded:
    """A model that is ready: `under` gives it under a control; the rest is what a result tells of it."""

    under: Callable[[str], AnswerModel]
    scoring: str = ""
    revision: str | None = None
    n_frames: int | None = None


def adapter_of(model: str) -> str:
    """The adapter that a file or folder is for, where its kind shows.

    Raises:
        GymQAError: it does not.
    """
    path = Path(model)
    if path.suffix == ".jsonl":
        return "recognizer"
    config = read_json(path / "config.json") if (path / "config.json").is_file() else {}
    if config.get("model_type") == "gym_mllm":
        return "gymqa"
    if config.get("model") == "sefar":
        return "recognizer"
    raise GymQAError(
        f"{model or 'no --model'} is neither a folder of `gymqa finetune` or `gymqa train` nor a .jsonl of "
        f"`gymqa predict`; name --adapter ({', '.join(BUILDERS)}) if it is something else"
    )


def load(adapter: str, request: Request) -> Loaded:
    """Load a model.

    Raises:
        GymQAError: no such adapter, or what its builder refuses.
    """
    if adapter not in BUILDERS:
        raise GymQAError(f"there is no adapter {adapter!r}; choose one of {', '.join(BUILDERS)}")
    return BUILDERS[adapter](request)


def _gymqa(request: Request) -> Loaded:
    """Our language model, from features of the clips or of what a control makes of them."""
    from encoders.answering import MLLMAnswerer
    from encoders.mllm import GymMLLM
    from gymqa.commands.controlled import features_under, unseeing
    from gymqa.devices import choose_device

    folder = Path(request.model)
    if not folder.is_dir():
        raise GymQAError(f"{folder} is not a folder of `gymqa finetune`; check --model")
    model = GymMLLM.from_pretrained(folder)
    tokenizer = model.load_tokenizer()
    model.to(choose_device(request.device))

    def under(control: str) -> AnswerModel:
        if model.config.blind and control not in (NONE, NO_VIDEO):
            raise GymQAError(f"{folder} was tuned without videos, so that {control} shows it nothing; leave it out")
        blind = model.config.blind or control == NO_VIDEO
        asked = unseeing(model) if blind else model
        store = None if blind else features_under(control, request, model.config.encoder)
        return MLLMAnswerer(asked, tokenizer, store, request.scoring, request.batch_size, name=request.name)

    return Loaded(under, request.scoring)


def _recognizer(request: Request) -> Loaded:
    """A recognizer by its class probabilities: saved ones, or those of a folder of `gymqa train` with --frames."""
    from eval.adapters.recognizer import RecognizerAnswerer
    from eval.metrics import read_class_predictions
    from gymqa.commands.recognized import classes_under

    def under(control: str) -> AnswerModel:
        if control == NO_VIDEO:
            raise GymQAError("a recognizer cannot be asked without a video; leave the control no-video out")
        found = read_class_predictions(classes_under(control, request))
        return RecognizerAnswerer(request.name, found.by_clip(), found.errors)

    return Loaded(under, "classes")


BUILDERS: dict[str, Callable[[Request], Loaded]] = {"gymqa": _gymqa, "recognizer": _recognizer}
