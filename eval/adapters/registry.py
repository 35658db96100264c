"""The answering models by name (`--adapter`); they are built in `eval.adapters.answerers`, which knows every room."""

import difflib
from dataclasses import dataclass

from gymqa.errors import GymQAError


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """A kind of answering model: its name, what it is, and what has to be given to build one."""

    name: str
    what: str
    needs: str


ADAPTERS = (
    AdapterInfo(
        "gymqa",
        "our language model",
        "--model FOLDER of `gymqa finetune` or owner/name[@revision]; unless it is blind, --features, or --frames and "
        "--encode_with",
    ),
    AdapterInfo(
        "recognizer",
        "a recognizer, by its class probabilities",
        "--model FILE.jsonl of `gymqa predict`, or FOLDER of `gymqa train` with --frames",
    ),
    AdapterInfo(
        "hf-vlm",
        "an image-text-to-text model of transformers (LLaVA, Qwen-VL, InternVL, SmolVLM, …)",
        "--model FOLDER or owner/name[@revision]; --frames; pillow (extra vlm)",
    ),
    AdapterInfo(
        "openai",
        "any endpoint that speaks OpenAI's chat completions (OpenAI, vLLM, llama.cpp, `transformers serve`)",
        "--model its NAME there; a base URL; --frames; the key in the environment, where it wants one",
    ),
    AdapterInfo("scripted", "answers that were written down", "--model FILE.json, FILE.jsonl or one letter"),
    AdapterInfo("chance", "a guess among all choices", "nothing"),
    AdapterInfo("prior", "the most frequent answer in training, without a look at the video", "training questions"),
    AdapterInfo("blind", "a language model asked without the video", "--model as of hf-vlm or gymqa"),
    AdapterInfo("oracle-event", "a guess by one who knows the apparatus", "--finegym, whose elements are asked for"),
    AdapterInfo("oracle-set", "a guess by one who knows the set", "--finegym, whose elements are asked for"),
    AdapterInfo("human", "people's answers", "--model FILE.csv with question_id, letter and perhaps annotator"),
)
NAMES = tuple(one.name for one in ADAPTERS)


def describe() -> list[tuple[str, str]]:
    """Every adapter's name, with what it is and needs in one line."""
    return [(one.name, f"{one.what}; needs {one.needs}") for one in ADAPTERS]


def require_adapter(name: str) -> str:
    """Return the name of an adapter.

    Raises:
        GymQAError: there is none of that name; the closest is given.
    """
    if name not in NAMES:
        close = difflib.get_close_matches(name, NAMES, n=1)
        hint = f"did you mean {close[0]}?" if close else "`gymqa list adapters` names them"
        raise GymQAError(f"there is no adapter {name!r}; {hint}")
    return name
