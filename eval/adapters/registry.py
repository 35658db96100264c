"""Registry of answering models (`--adapter`): name, requirements and constructor; which adapter fits a model's files.

An adapter's module is imported when it is built. To add one, write a function Request -> Loaded and name it here; one
outside the repository is named `package.module:function` (docs/extending.md). The adapters gymqa and recognizer are
named by such strings, too: eval imports neither package.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eval.adapters.request import Loaded, Request
from gymqa.errors import GymQAError
from gymqa.hub.client import download_files, names_a_repo, split_revision
from gymqa.io.typed_json import read_object
from gymqa.runtime.registry import Registry


@dataclass(frozen=True, slots=True)
class Adapter:
    """An entry of the registry.

    Attributes:
        maker: "module:function" of Request -> Loaded. It validates the request before it loads anything (controls that
            it cannot apply, an unknown scoring), then loads its model once.
        what: short description.
        needs: the options it requires.
        modelless: takes no --model.
    """

    maker: str
    what: str
    needs: str
    modelless: bool = False


class AdapterMaker(Protocol):
    """What an adapter's name stands for."""

    def __call__(self, request: Request) -> Loaded:
        """The model that is asked, ready."""


ADAPTERS = Registry(
    "adapter",
    "gymqa list adapters",
    {
        "gymqa": Adapter(
            "encoders.answering.adapter:load",
            "a language model of `gymqa finetune`",
            "--model FOLDER of `gymqa finetune` or owner/name[@revision]; unless it is blind, --features, "
            "or --frames and --encode_with",
        ),
        "recognizer": Adapter(
            "recognizers.answering:load",
            "a recognizer, by its class probabilities",
            "--model FILE.jsonl of `gymqa predict`, or FOLDER of `gymqa train` with --frames",
        ),
        "hf-vlm": Adapter(
            "eval.adapters.vlm.hf_vlm:load",
            "an image-text-to-text model of transformers (LLaVA, Qwen-VL, InternVL, SmolVLM, …)",
            "--model FOLDER or owner/name[@revision]; --frames; pillow (extra vlm)",
        ),
        "openai": Adapter(
            "eval.adapters.api.openai_api:load",
            "any endpoint that speaks OpenAI's chat completions (OpenAI, vLLM, llama.cpp, `transformers serve`)",
            "--model its NAME there; a base URL; --frames; the key in the environment, where it wants one",
        ),
        "scripted": Adapter(
            "eval.adapters.scripted:load",
            "precomputed answers",
            "--model FILE.json, FILE.jsonl or one letter",
        ),
        "chance": Adapter(
            "eval.adapters.baselines:load_chance",
            "a uniform guess among all choices",
            "nothing",
            modelless=True,
        ),
        "prior": Adapter(
            "eval.adapters.prior:load",
            "the most frequent answer in training, without the video",
            "training questions",
            modelless=True,
        ),
        "blind": Adapter(
            "eval.adapters.baselines:load_blind",
            "a language model asked without the video",
            "--model as of hf-vlm or gymqa",
        ),
        "oracle-event": Adapter(
            "eval.adapters.baselines:load_oracle_event",
            "a guess among the choices of the right apparatus",
            "--finegym, whose elements are asked for",
            modelless=True,
        ),
        "oracle-set": Adapter(
            "eval.adapters.baselines:load_oracle_set",
            "a guess among the choices of the right set",
            "--finegym, whose elements are asked for",
            modelless=True,
        ),
        "human": Adapter(
            "eval.adapters.human:load",
            "annotators' answers",
            "--model FILE.csv with question_id, letter and perhaps annotator",
        ),
    },
    AdapterMaker,
)


def describe() -> list[tuple[str, str]]:
    """Every adapter's name, with its description and requirements in one line."""
    return [(name, f"{one.what}; needs {one.needs}") for name, one in ADAPTERS.entries.items()]


def load_adapter(name: str, request: Request) -> Loaded:
    """Load an answering model.

    Args:
        name: of an adapter, or `package.module:function` of the user's own.
        request: model, options, frames and controls of the evaluation.

    Raises:
        GymQAError: no such adapter, or it refuses the request.
    """
    if name in ADAPTERS and not request.model and not ADAPTERS.entry(name).modelless:
        raise GymQAError(f"the adapter {name} needs --model; `gymqa list adapters` says which")
    return ADAPTERS.make(name, Loaded, request)


def adapter_of(model: str) -> str:
    """The adapter for a model's file or folder, inferred from its content.

    Raises:
        GymQAError: the adapter cannot be inferred.
    """
    path = Path(model)
    if path.suffix == ".jsonl":
        return "recognizer"
    config = read_object(path / "config.json") if (path / "config.json").is_file() else {}
    if config.get("model_type") == "gym_mllm":
        return "gymqa"
    if isinstance(config.get("model"), str):  # the backbone of a recognizer
        return "recognizer"
    raise GymQAError(
        f"{model or 'no --model'} is neither a folder of `gymqa finetune` or `gymqa train` nor a .jsonl of "
        f"`gymqa predict`; name --adapter ({', '.join(ADAPTERS)}) for anything else"
    )


def is_tuned(model: str) -> bool:
    """Whether a folder, or owner/name[@revision] on the Hub, holds a model of `gymqa finetune`.

    Raises:
        GymQAError: the Hub has no such model, or cannot be reached.
    """
    config = config_folder(model) / "config.json"
    return config.is_file() and read_object(config).get("model_type") == "gym_mllm"


def config_folder(model: str) -> Path:
    """The folder of a model's config.json; from the Hub, owner/name[@revision], only that file is downloaded.

    Raises:
        GymQAError: the Hub has no such model, or cannot be reached.
    """
    folder, (repo, revision) = Path(model), split_revision(model)
    return download_files(repo, ["config.json"], revision) if not folder.exists() and names_a_repo(repo) else folder
