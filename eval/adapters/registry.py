"""Answering models by name (`--adapter`), and what each needs. An adapter's file is imported when it is built.

To add one, write a function Request -> Loaded and name it here; one outside the repository is named
`package.module:function` (docs/extending.md). Our own models are named as plug-ins are: eval imports neither.
"""

from dataclasses import dataclass
from typing import Protocol

from eval.adapters.request import Loaded, Request
from gymqa.errors import GymQAError
from gymqa.runtime.registry import Registry


@dataclass(frozen=True, slots=True)
class Adapter:
    """A kind of answering model.

    Attributes:
        maker: "module:function" of Request -> Loaded. It refuses what it can tell to be wrong before it loads anything
            (controls that it cannot show, a scoring that it does not have), then loads its model once.
        what: what it is.
        needs: what has to be given to build one.
        modelless: needs no --model.
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
            "our language model",
            "--model FOLDER of `gymqa finetune` or owner/name[@revision]; unless it is blind, --features, "
            "or --frames and --encode_with",
        ),
        "recognizer": Adapter(
            "recognizers.answering:load",
            "a recognizer, by its class probabilities",
            "--model FILE.jsonl of `gymqa predict`, or FOLDER of `gymqa train` with --frames",
        ),
        "hf-vlm": Adapter(
            "eval.adapters.hf_vlm:load",
            "an image-text-to-text model of transformers (LLaVA, Qwen-VL, InternVL, SmolVLM, …)",
            "--model FOLDER or owner/name[@revision]; --frames; pillow (extra vlm)",
        ),
        "openai": Adapter(
            "eval.adapters.openai_api:load",
            "any endpoint that speaks OpenAI's chat completions (OpenAI, vLLM, llama.cpp, `transformers serve`)",
            "--model its NAME there; a base URL; --frames; the key in the environment, where it wants one",
        ),
        "scripted": Adapter(
            "eval.adapters.scripted:load",
            "answers that were written down",
            "--model FILE.json, FILE.jsonl or one letter",
        ),
        "chance": Adapter(
            "eval.adapters.baselines:load_chance",
            "a guess among all choices",
            "nothing",
            modelless=True,
        ),
        "prior": Adapter(
            "eval.adapters.prior:load",
            "the most frequent answer in training, without a look at the video",
            "training questions",
            modelless=True,
        ),
        "blind": Adapter(
            "eval.adapters.blind:load",
            "a language model asked without the video",
            "--model as of hf-vlm or gymqa",
        ),
        "oracle-event": Adapter(
            "eval.adapters.baselines:load_oracle_event",
            "a guess by one who knows the apparatus",
            "--finegym, whose elements are asked for",
            modelless=True,
        ),
        "oracle-set": Adapter(
            "eval.adapters.baselines:load_oracle_set",
            "a guess by one who knows the set",
            "--finegym, whose elements are asked for",
            modelless=True,
        ),
        "human": Adapter(
            "eval.adapters.human:load",
            "people's answers",
            "--model FILE.csv with question_id, letter and perhaps annotator",
        ),
    },
    AdapterMaker,
)


def describe() -> list[tuple[str, str]]:
    """Every adapter's name, with what it is and needs in one line."""
    return [(name, f"{one.what}; needs {one.needs}") for name, one in ADAPTERS.entries.items()]


def load_adapter(name: str, request: Request) -> Loaded:
    """Load an answering model.

    Args:
        name: of an adapter, or `package.module:function` of the user's own.
        request: what is asked for.

    Raises:
        GymQAError: no such adapter, or what it refuses.
    """
    if name in ADAPTERS and not request.model and not ADAPTERS.entry(name).modelless:
        raise GymQAError(f"the adapter {name} needs --model; `gymqa list adapters` says which")
    return ADAPTERS.make(name, Loaded, request)
