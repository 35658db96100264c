"""Language models by name: the embedded tiny-vicuna, or any causal model that transformers can load."""

import hashlib
from functools import lru_cache
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from gymqa.errors import GymQAError

TINY_VICUNA = "tiny-vicuna"
_EMBEDDED = Path(__file__).parent / "tiny_vicuna"
_FILES = ("*.safetensors", "*.bin", "config.json", "tokenizer*")  # what a model's answers depend on


def load_llm(
    name: str = TINY_VICUNA, dtype: torch.dtype = torch.float32, attention: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a language model and its tokenizer, ready for right- or left-padded batches.

    Args:
        name: "tiny-vicuna", a name on the Hub such as "lmsys/vicuna-7b-v1.5", or a local folder.
        dtype: of the weights in memory.
        attention: transformers' attention implementation; by default plain matrix products on a machine without a
            GPU (their backward pass is the quicker one there, see BASELINES.md) and the library's choice on a GPU.

    Raises:
        GymQAError: nothing loadable under that name.
    """
    attention = attention or ("sdpa" if torch.cuda.is_available() else "eager")
    try:
        tokenizer = load_tokenizer(name)
        if name == TINY_VICUNA:
            disable_progress_bar()  # of transformers: a tenth of a second needs none
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            _source(name), dtype=dtype, attn_implementation=attention
        )
        enable_progress_bar()
    except (OSError, ValueError, KeyError) as error:
        raise _refusal(name, error) from error
    return model, tokenizer


def llm_fingerprint(name: str = TINY_VICUNA) -> dict[str, str | None]:
    """What a language model is: its name, and a hash of its files (a folder) or its commit (a name on the Hub).

    Its configuration and tokenizer are read, its weights are not loaded: a quick way to see that it is there.

    Raises:
        GymQAError: nothing loadable under that name.
    """
    folder = Path(_source(name))
    try:
        config = AutoConfig.from_pretrained(_source(name))
        load_tokenizer(name)
    except (OSError, ValueError, KeyError) as error:
        raise _refusal(name, error) from error
    if not folder.is_dir():
        return {"name": name, "commit": getattr(config, "_commit_hash", None)}
    files = sorted(path for pattern in _FILES for path in folder.glob(pattern))
    if not any(path.suffix in (".safetensors", ".bin") for path in files):
        raise _refusal(name, OSError("it has no weights"))
    together = hashlib.sha256()
    for path in files:
        status = path.stat()
        together.update(f"{path.name} {_file_hash(path, status.st_size, status.st_mtime_ns)}\n".encode())
    return {"name": name, "files": together.hexdigest()}


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, modified: int) -> str:
    """A hash of a file, read once while its size and time stay as they are."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refusal(name: str, error: Exception) -> GymQAError:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return GymQAError(
        f"the language model {name!r} cannot be loaded ({reason}); give 'tiny-vicuna', a name on the Hub, "
        "or a folder with config.json, weights and tokenizer"
    )


def load_tokenizer(name: str = TINY_VICUNA) -> PreTrainedTokenizerBase:
    """The tokenizer of `load_llm(name)`; one without a padding token pads with <unk> (as Vicuna) or </s>."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(_source(name))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def _source(name: str) -> str:
    return str(_EMBEDDED) if name == TINY_VICUNA else name
