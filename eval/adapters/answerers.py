"""Answering models by adapter name, as `gymqa evaluate` builds them.

A builder refuses what it can tell to be wrong before it loads anything: controls that it cannot show, a scoring that it
does not have. Then it loads its model once; the model is asked under one control after the other. To add one, write a
function Request -> Loaded and name it in BUILDERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from eval.adapters.api_settings import ApiSettings
from eval.adapters.registry import require_adapter
from eval.run.protocol import AnswerModel
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, NONE
from gymqa.io.files import read_json
from gymqa.questions.schema import Question
from gymqa.questions.scoring import require_scoring
from recognizers.backbones.registry import FAMILIES


@dataclass(frozen=True)
class AdapterOptions:
    """What single adapters are built with; each takes its own of these.

    Attributes:
        n_frames: frames of a clip shown to hf-vlm and openai.
        dtype: of hf-vlm's weights: auto, float32, bfloat16, float16.
        length_normalised: divide a text's log-likelihood by its number of tokens; by default hf-vlm does, gymqa not.
        trust_remote_code: let hf-vlm run the Python code that comes with a model.
        training: .jsonl of questions, or a folder of them, whose answers `prior` counts.
        finegym: folder of annotation files that the oracles know.
        setting: gym99, gym288, …; may be left out where that folder has only one.
        annotator: whose answers `human` takes; everybody's, by majority, by default.
        replies: folder that keeps what an endpoint replied, so that nothing is paid for twice; beside the predictions
            by default.
        api: the endpoint of openai.
    """

    n_frames: int = 8
    dtype: str = "auto"
    length_normalised: bool | None = None
    trust_remote_code: bool = False
    training: Path | None = None
    finegym: Path | None = None
    setting: str | None = None
    annotator: str | None = None
    replies: Path | None = None
    api: ApiSettings = field(default_factory=ApiSettings)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the command line says of a model and what it looks at; see `gymqa.cli.commands.answers.evaluate.evaluate`.

    `controls` are those that it is going to be asked under. `folder` is where features and class probabilities that are
    made on the way are kept; `clips` has one question about each clip that is asked about, by clip id. `scoring` None
    is the adapter's own.
    """

    model: str
    name: str
    scoring: str | None
    batch_size: int
    device: str
    features: Path | None
    frames: Path | None
    encode_with: str | None
    control_seed: int
    controls: tuple[str, ...] = (NONE,)
    folder: Path
    clips: Mapping[str, Question]
    options: AdapterOptions = field(default_factory=AdapterOptions)

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


MODELLESS = ("chance", "prior", "oracle-event", "oracle-set")


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
    family = config.get("model")
    if isinstance(family, str) and family in FAMILIES:
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
    build = BUILDERS[require_adapter(adapter)]
    if not request.model and adapter not in MODELLESS:
        raise GymQAError(f"the adapter {adapter} needs --model; `gymqa list adapters` says which")
    return build(request)


def scoring_name(scoring: str, length_normalised: bool) -> str:
    """What a result calls a scoring: texts whose likelihood is divided by their tokens are another one."""
    return "texts-per-token" if scoring == "texts" and length_normalised else scoring


def _gymqa(request: Request) -> Loaded:
    """Our language model, from features of the clips or of what a control makes of them."""
    from encoders.answering.answerer import MLLMAnswerer
    from encoders.features.frames_shown import read_frames
    from encoders.llm.llm_identity import split_revision
    from encoders.mllm.files import read_config
    from encoders.mllm.model import GymMLLM
    from encoders.tuning.config import SCORINGS
    from eval.adapters.controlled import check_controls, features_under, unseeing
    from eval.adapters.provenance import Provenance
    from gymqa.hub.client import names_a_repo
    from gymqa.runtime.devices import choose_device

    require_scoring("gymqa", request.scoring, SCORINGS)
    folder, (repo, revision) = Path(request.model), split_revision(request.model)
    if not folder.is_dir() and not names_a_repo(repo):
        raise GymQAError(f"{folder} is neither a folder of `gymqa finetune` nor one's name on the Hub; check --model")
    check_controls(request, read_config(_config_folder(request.model)))
    model = GymMLLM.from_pretrained(folder if folder.is_dir() else repo, revision=revision)
    tokenizer = model.load_tokenizer()
    weights = model.fingerprint()["tuned"][:12]  # from the Hub or a folder, the same weights are the same revision
    model.to(choose_device(request.device))

    def under(control: str) -> AnswerModel:
        blind = model.config.blind or control == NO_VIDEO
        asked = unseeing(model) if blind else model
        store = None if blind else features_under(control, request, model.config.encoder)
        answerer = MLLMAnswerer(asked, tokenizer, store, scoring, request.batch_size, by_token, request.name)
        shown = {} if store is None else read_frames(store.folder)
        return Provenance(answerer, weights, shown, answerer.prompt)

    scoring, by_token = request.scoring or "texts", bool(request.options.length_normalised)
    return Loaded(under, scoring_name(scoring, by_token), revision)


def _recognizer(request: Request) -> Loaded:
    """A recognizer by its class probabilities: saved ones, or those of a folder of `gymqa train` with --frames."""
    from eval.adapters.provenance import Provenance
    from eval.adapters.recognized import check_classes, classes_under, frames_under, revision_of
    from eval.adapters.recognizer import RecognizerAnswerer
    from eval.metrics.recognition import read_class_predictions

    require_scoring("recognizer", request.scoring, ())
    check_classes(request.controls, request)

    def under(control: str) -> AnswerModel:
        found = read_class_predictions(classes_under(control, request))
        answerer = RecognizerAnswerer(request.name, found.by_clip(), found.errors)
        return Provenance(answerer, revision_of(request.model), frames_under(control, request))

    return Loaded(under, "classes")


def _seeing(request: Request) -> Loaded:
    """A model of transformers that is shown frames."""
    from eval.adapters.seeing_answerers import load_vlm_answerer

    return load_vlm_answerer(request)


def _endpoint(request: Request) -> Loaded:
    """A model behind HTTP that is shown frames."""
    from eval.adapters.seeing_answerers import load_endpoint

    return load_endpoint(request)


def _blind(request: Request) -> Loaded:
    """Any language model, ours or another's, without video whatever the control."""
    unseeing = replace(request, controls=(NO_VIDEO,))
    loaded = (_gymqa if _is_ours(request.model) else _seeing)(unseeing)
    return replace(loaded, under=lambda control: loaded.under(NO_VIDEO), n_frames=None)


def _is_ours(model: str) -> bool:
    """Whether a folder, or owner/name[@revision] on the Hub, is of `gymqa finetune`.

    Raises:
        GymQAError: the Hub has no such model, or cannot be reached.
    """
    config = _config_folder(model) / "config.json"
    return config.is_file() and read_json(config).get("model_type") == "gym_mllm"


def _config_folder(model: str) -> Path:
    """The folder of a model's config.json; of one on the Hub, owner/name[@revision], nothing else is downloaded.

    Raises:
        GymQAError: the Hub has no such model, or cannot be reached.
    """
    from encoders.llm.llm_identity import split_revision
    from gymqa.hub.client import download_files, names_a_repo

    folder, (repo, revision) = Path(model), split_revision(model)
    return download_files(repo, ["config.json"], revision) if not folder.exists() and names_a_repo(repo) else folder


def _unseeing(adapter: str) -> Callable[[Request], Loaded]:
    """Answers that were written down or follow from a rule: the same under every control."""

    def build(request: Request) -> Loaded:
        from eval.adapters.unseeing_answerers import make

        require_scoring(adapter, request.scoring, ())
        made = make(adapter, request)
        return Loaded(lambda control: made, adapter)

    return build


BUILDERS: dict[str, Callable[[Request], Loaded]] = {
    "gymqa": _gymqa,
    "recognizer": _recognizer,
    "hf-vlm": _seeing,
    "openai": _endpoint,
    "blind": _blind,
    **{name: _unseeing(name) for name in ("scripted", "chance", "prior", "oracle-event", "oracle-set", "human")},
}
