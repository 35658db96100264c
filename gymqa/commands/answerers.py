"""Answering models by the names of `gymqa list adapters`: the one place that knows both the models and the harness."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from eval.adapters.api_settings import ApiSettings
from eval.adapters.registry import require_adapter
from eval.protocol import AnswerModel
from gymqa.atomic import read_json
from gymqa.errors import GymQAError
from gymqa.frame_source import FrameSource

if TYPE_CHECKING:
    from encoders.answering import MLLMAnswerer
    from eval.adapters.clip_frames import ClipFrames
    from eval.adapters.openai_api import Responses
    from eval.adapters.recognizer import RecognizerAnswerer

MODEL_NEEDED = ("gymqa", "recognizer", "hf-vlm", "openai", "scripted", "blind", "human")


@dataclass(frozen=True)
class AdapterOptions:
    """What single adapters are built with; every one takes its own of these.

    Attributes:
        n_frames: frames of a clip shown to hf-vlm and openai.
        dtype: of hf-vlm's weights: auto, float32, bfloat16, float16.
        trust_remote_code: let hf-vlm run the Python code that comes with a model.
        training: question files whose answers `prior` counts.
        finegym: folder of annotation files that the oracles know.
        setting: gym99, gym288, …; may be left out where that folder has only one.
        annotator: whose answers `human` takes; all, by majority, by default.
        api: the endpoint of openai.
    """

    n_frames: int = 8
    dtype: str = "auto"
    trust_remote_code: bool = False
    training: list[Path] = field(default_factory=list)
    finegym: Path | None = None
    setting: str | None = None
    annotator: str | None = None
    api: ApiSettings = field(default_factory=ApiSettings)


def adapter_of(model: str | None) -> str:
    """The adapter that a model's name means where none is named: class predictions or a tuned model's folder.

    Raises:
        GymQAError: no model either.
    """
    if model is None:
        raise GymQAError("there is nothing to ask; give --model, or --adapter (see `gymqa list adapters`)")
    return "recognizer" if Path(model).suffix == ".jsonl" else "gymqa"


def build_answerer(
    adapter: str | None,
    model: str | None,
    frames: FrameSource | None = None,
    features: Path | None = None,
    *,
    name: str | None = None,
    scoring: str | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    options: AdapterOptions | None = None,
    responses: "Responses | None" = None,
) -> AnswerModel:
    """Build an answering model.

    Args:
        adapter: one of `gymqa list adapters`; by default what `model` means.
        model: a folder, a file, a name on the Hub or at an endpoint, a letter: see the adapter.
        frames: what hf-vlm and openai see; None asks them without video.
        features: folder of `gymqa extract`, for our language model unless it is blind.
        name: in the leaderboard; by default the model's, or the adapter's.
        scoring: letters, texts or generate, as far as the adapter has it; by default texts for gymqa, letters for
            hf-vlm and openai.
        batch_size: prompts in one pass of a local model.
        device: cpu, cuda, cuda:1, …
        options: what single adapters take besides.
        responses: keeps an endpoint's replies.

    Raises:
        GymQAError: an unknown adapter, or what it needs is missing.
    """
    adapter = require_adapter(adapter_of(model) if adapter is None else adapter)
    options = options or AdapterOptions()
    if model is None and adapter in MODEL_NEEDED:
        raise GymQAError(f"the adapter {adapter} needs --model; `gymqa list adapters` says which")
    model = model or ""
    name = name or (Path(model).stem if adapter in ("gymqa", "recognizer") else model) or adapter
    if adapter in ("gymqa", "recognizer", "blind"):
        return _own(adapter, name, model, features, scoring, batch_size, device, options)
    if adapter == "hf-vlm":
        return _vlm(name, model, frames, scoring or "letters", batch_size, device, options)
    if adapter == "openai":
        from eval.adapters.openai_api import OpenAIModel

        return OpenAIModel(name, model, _shown(frames, options), options.api, scoring or "letters", responses)
    return _without_model(adapter, name, model, options)


def _own(
    adapter: str,
    name: str,
    model: str,
    features: Path | None,
    scoring: str | None,
    batch_size: int,
    device: str,
    options: AdapterOptions,
) -> AnswerModel:
    """Our own models; "blind" is a language model without video, ours or another's."""
    if adapter == "recognizer":
        return recognizer_answerer(name, Path(model))
    if adapter == "gymqa" or _is_ours(Path(model)):
        own_features = None if adapter == "blind" else features
        return mllm_answerer(name, model, own_features, scoring or "texts", batch_size, device)
    return _vlm(name, model, None, scoring or "letters", batch_size, device, options)


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds a model of `gymqa finetune`."""
    return (folder / "config.json").is_file() and read_json(folder / "config.json").get("model_type") == "gym_mllm"


def _vlm(
    name: str,
    model: str,
    frames: FrameSource | None,
    scoring: str,
    batch_size: int,
    device: str,
    options: AdapterOptions,
) -> AnswerModel:
    from eval.adapters.hf_loading import load_vlm
    from eval.adapters.hf_vlm import HfVlm
    from gymqa.devices import choose_device

    loaded = load_vlm(model, str(choose_device(device)), options.dtype, options.trust_remote_code)
    return HfVlm(name, loaded, _shown(frames, options), scoring, batch_size)


def _shown(frames: FrameSource | None, options: AdapterOptions) -> "ClipFrames | None":
    from eval.adapters.clip_frames import ClipFrames

    return None if frames is None else ClipFrames(frames, options.n_frames)


def _without_model(adapter: str, name: str, model: str, options: AdapterOptions) -> AnswerModel:
    """Answers from a table, or by a rule."""
    from eval.adapters import baselines
    from eval.adapters.human import Human
    from eval.adapters.prior import Prior
    from eval.adapters.scripted import Scripted
    from gymqa.annotations import open_release
    from gymqa.questions import Question, load_questions

    if adapter == "scripted":
        return Scripted.read(name, model)
    if adapter == "human":
        return Human.read(name, Path(model), options.annotator)
    if adapter == "prior":
        training: Sequence[Question] = [one for path in options.training for one in load_questions(path)]
        return Prior(name, training)
    if adapter == "chance":
        return baselines.chance()
    if options.finegym is None:
        raise GymQAError(f"the adapter {adapter} needs the annotation files that it knows; name their folder (finegym)")
    taxonomy = open_release(options.finegym, options.setting).taxonomy
    return baselines.oracle_event(taxonomy) if adapter == "oracle-event" else baselines.oracle_set(taxonomy)


def recognizer_answerer(name: str, predictions: Path) -> "RecognizerAnswerer":
    """Return a recognizer that answers from its saved class probabilities."""
    from eval.adapters.recognizer import RecognizerAnswerer
    from eval.metrics import read_class_predictions

    found = read_class_predictions(predictions)
    return RecognizerAnswerer(name, found.by_clip(), found.errors)


def mllm_answerer(
    name: str, model: str, features: Path | None, scoring: str, batch_size: int, device: str
) -> "MLLMAnswerer":
    """Return a tuned language model that answers from a feature store.

    Args:
        name: name in the leaderboard.
        model: folder of `gymqa finetune`, or owner/name or owner/name@revision on the Hub.
        features: folder of `gymqa extract`; None for a model that was tuned blind.
        scoring: texts or letters.
        batch_size: prompts in one pass.
        device: cpu, cuda, cuda:1, …

    Raises:
        GymQAError: no such model, or features of another encoder than it was tuned with.
    """
    from encoders.answering import MLLMAnswerer
    from encoders.features import FeatureStore
    from encoders.llm_identity import split_revision
    from encoders.mllm import GymMLLM
    from gymqa.devices import choose_device
    from gymqa.hub import names_a_repo

    repo, revision = split_revision(model)
    if not Path(model).is_dir() and not names_a_repo(repo):
        raise GymQAError(f"{model} is neither a folder of `gymqa finetune` nor a .jsonl of `gymqa predict`")
    tuned = GymMLLM.from_pretrained(Path(model) if Path(model).is_dir() else repo, revision=revision)
    store = FeatureStore(features) if features is not None and not tuned.config.blind else None
    if store is not None and tuned.config.encoder not in ({}, store.fingerprint):
        raise GymQAError(f"{features} holds another encoder's features than {model} was tuned with; give that one's")
    tokenizer = tuned.load_tokenizer()
    return MLLMAnswerer(tuned.to(choose_device(device)), tokenizer, store, scoring, batch_size, name=name)
