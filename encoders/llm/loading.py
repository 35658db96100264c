"""Language models by name (embedded tiny-vicuna, smollm2, the Hub, a folder): loading, tokenizer, fingerprint, shapes.

No code of a model's repository is ever run, and pickled weights are read as tensors only.
"""

import hashlib
import importlib.util
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    LlamaConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from encoders.llm.smollm2 import SMOLLM2, smollm2_folder
from gymqa.errors import GymQAError
from gymqa.hub.client import download_llm, download_model, names_a_repo, split_revision
from gymqa.hub.foreign_models import check_config, check_weights, reading_foreign
from gymqa.io.files import sha256_of, visible_files

TINY_VICUNA = "tiny-vicuna"
DTYPES = ("float32", "bfloat16", "float16")
_EMBEDDED = Path(__file__).parents[1] / "tiny_vicuna"
_FILES = ("*.safetensors", "*.bin", "config.json", "tokenizer*")  # what a model's answers depend on
# config.json of lmsys/vicuna-7b-v1.5 and lmsys/vicuna-13b-v1.5 (Llama 2's shapes, Touvron et al. 2023)
_VICUNA = {
    "lmsys/vicuna-7b-v1.5": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "lmsys/vicuna-13b-v1.5": {
        "hidden_size": 5120,
        "intermediate_size": 13824,
        "num_hidden_layers": 40,
        "num_attention_heads": 40,
    },
}


def load_llm(
    name: str = TINY_VICUNA,
    dtype: torch.dtype | str = torch.float32,
    attention: str | None = None,
    quantization: str = "none",
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a language model and its tokenizer, ready for right- or left-padded batches.

    Args:
        name: "tiny-vicuna", "smollm2", a name on the Hub such as "lmsys/vicuna-7b-v1.5" (with "@revision", if need
            be), or a local folder.
        dtype: of the weights in memory, or its name; with 4-bit weights, of the computation.
        attention: transformers' attention implementation; by default "eager" on a machine without a GPU (its backward
            pass was measured to be faster there) and "sdpa" on a GPU.
        quantization: "nf4" stores the linear layers' weights in 4 bits (QLoRA, Dettmers et al. 2023).

    Raises:
        GymQAError: nothing loadable under that name, weights that do not fit it, or no bitsandbytes for 4 bits.
    """
    kind = dtype if isinstance(dtype, torch.dtype) else dtype_of(dtype)
    folder = llm_folder(name)
    tokenizer = load_tokenizer(name)
    options: dict[str, Any] = {"dtype": kind, "trust_remote_code": False, "output_loading_info": True}
    options["attn_implementation"] = attention or ("sdpa" if torch.cuda.is_available() else "eager")
    if quantization == "nf4":
        options["quantization_config"] = _nf4(kind)
    if name == TINY_VICUNA:
        disable_progress_bar()  # of transformers; loading takes a tenth of a second
    try:
        with reading_foreign(partial(refusal, name)):
            check_weights(folder, empty_llm(_config_in(name, folder)).num_parameters())
            model, found = AutoModelForCausalLM.from_pretrained(folder, **options)
    finally:
        enable_progress_bar()
    if found["missing_keys"]:  # transformers would initialise them randomly
        missing = sorted(found["missing_keys"])
        raise refusal(name, ValueError(f"its files lack {len(missing)} of its tensors, {missing[0]} among them"))
    for module in model.modules():  # bitsandbytes 0.50 repacks 4-bit weights on a CPU, which DoRA misreads
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    model.config._commit_hash = commit_of(name, folder)
    return model, tokenizer


def load_tokenizer(name: str = TINY_VICUNA) -> PreTrainedTokenizerBase:
    """The tokenizer of `load_llm(name)`; one without a padding token pads with <unk> (as Vicuna) or </s>.

    Raises:
        GymQAError: there is none.
    """
    folder = llm_folder(name, weights=False)
    check_config(folder)
    with reading_foreign(partial(refusal, name)):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise refusal(name, ValueError("its tokenizer has neither a padding, an unknown nor an end token"))
    return tokenizer


def dtype_of(name: str) -> torch.dtype:
    """The dtype of a name.

    Raises:
        GymQAError: it is not one of DTYPES.
    """
    if name not in DTYPES:
        raise GymQAError(f"there is no precision {name!r} for a language model; choose one of {', '.join(DTYPES)}")
    found: torch.dtype = getattr(torch, name)
    return found


def _nf4(compute: torch.dtype) -> Any:
    """QLoRA's quantization: NF4 with double quantization of the scales."""

    if importlib.util.find_spec("bitsandbytes") is None:
        raise GymQAError("4-bit weights need bitsandbytes, which is not installed; pip install 'gymqa[qlora]'")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )


def llm_fingerprint(name: str = TINY_VICUNA) -> dict[str, str | None]:
    """Identity of a language model: its name, and the hash of its files (a folder) or its commit (on the Hub).

    Configuration and tokenizer are read, weights are not loaded.

    Raises:
        GymQAError: nothing loadable under that name.
    """
    folder = llm_folder(name, weights=False)
    if name != TINY_VICUNA:
        _require_loadable(name, folder)
    if commit := commit_of(name, folder):
        return {"name": split_revision(name)[0], "commit": commit}
    files = sorted(path for pattern in _FILES for path in visible_files(folder, pattern))
    if not any(path.suffix in (".safetensors", ".bin") for path in files):
        raise refusal(name, OSError("it has no weights"))
    together = hashlib.sha256()
    for path in files:
        status = path.stat()
        together.update(f"{path.name} {_file_hash(path, status.st_size, status.st_mtime_ns)}\n".encode())
    return {"name": name, "files": together.hexdigest()}


def llm_folder(name: str, weights: bool = True) -> Path:
    """The folder of a language model's files; from the Hub it is downloaded, with or without its weights.

    Raises:
        GymQAError: neither a folder nor a name on the Hub, or the download fails.
    """
    if name == TINY_VICUNA:
        return _EMBEDDED
    if name == SMOLLM2:
        return smollm2_folder()
    if Path(name).is_dir():
        return Path(name)
    repo, revision = split_revision(name)
    if not names_a_repo(repo):
        raise refusal(name, OSError("there is no such folder"))
    return download_llm(repo, revision) if weights else download_model(repo, "language model", revision)


def commit_of(name: str, folder: Path) -> str | None:
    """The commit of a model from the Hub, the name of its downloaded folder; None for any other."""
    return None if name in (TINY_VICUNA, SMOLLM2) or Path(name).is_dir() else folder.name


def _require_loadable(name: str, folder: Path) -> None:
    """Load configuration and tokenizer, or raise GymQAError."""
    _config_in(name, folder)
    with reading_foreign(partial(refusal, name)):
        AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


@lru_cache(maxsize=256)
def _file_hash(path: Path, size: int, modified: int) -> str:
    """SHA-256 of a file, cached by its size and modification time."""
    return sha256_of(path)


def refusal(name: str, error: Exception) -> GymQAError:
    """The error of a language model that cannot be loaded."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return GymQAError(
        f"the language model {name!r} cannot be loaded ({reason}); give 'tiny-vicuna', 'smollm2', a name on the Hub, "
        "or a folder with config.json, weights and tokenizer"
    )


def llm_config(name: str) -> PretrainedConfig:
    """The configuration of a language model by name; Vicuna's are built in, others are read or downloaded.

    Raises:
        GymQAError: there is none under that name.
    """
    known = _VICUNA.get(split_revision(name)[0])
    if known is not None:
        return LlamaConfig(vocab_size=32000, max_position_embeddings=4096, tie_word_embeddings=False, **known)
    return _config_in(name, llm_folder(name, weights=False))


def _config_in(name: str, folder: Path) -> PretrainedConfig:
    """The checked configuration in a folder.

    Raises:
        GymQAError: there is none, or none that can be built.
    """
    check_config(folder)
    with reading_foreign(partial(refusal, name)):
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    return config


def empty_llm(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A language model on torch's meta device: shapes without memory."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model
