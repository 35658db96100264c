"""Language models by name: the embedded tiny-vicuna, or any causal model that transformers can load.

No code of a model's repository is ever run, and weights that are pickles are read as tensors only.
"""

import importlib.util
import pickle
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from encoders.llm.llm_identity import TINY_VICUNA, commit_of, llm_folder, refusal
from encoders.tuning.config import DTYPES
from gymqa.errors import GymQAError


def load_llm(
    name: str = TINY_VICUNA,
    dtype: torch.dtype | str = torch.float32,
    attention: str | None = None,
    quantization: str = "none",
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a language model and its tokenizer, ready for right- or left-padded batches.

    Args:
        name: "tiny-vicuna", a name on the Hub such as "lmsys/vicuna-7b-v1.5" (with "@revision", if need be), or a
            local folder.
        dtype: of the weights in memory, or its name; of what the 4-bit weights are computed in.
        attention: transformers' attention implementation; by default plain matrix products on a machine without a
            GPU (their backward pass was measured to be the quicker one there) and the library's choice on a GPU.
        quantization: "nf4" holds the linear layers' weights in 4 bits (QLoRA, Dettmers et al. 2023).

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
        disable_progress_bar()  # of transformers: a tenth of a second needs none
    try:
        model, found = AutoModelForCausalLM.from_pretrained(folder, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
        raise refusal(name, error) from error
    finally:
        enable_progress_bar()
    if found["missing_keys"]:  # transformers would go on with random numbers
        missing = sorted(found["missing_keys"])
        raise refusal(name, ValueError(f"its files lack {len(missing)} of its tensors, {missing[0]} among them"))
    for module in model.modules():  # bitsandbytes 0.50 would repack 4-bit weights on a CPU, and DoRA misread them then
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    model.config._commit_hash = commit_of(name, folder)
    return model, tokenizer


def load_tokenizer(name: str = TINY_VICUNA) -> PreTrainedTokenizerBase:
    """The tokenizer of `load_llm(name)`; one without a padding token pads with <unk> (as Vicuna) or </s>.

    Raises:
        GymQAError: there is none.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            llm_folder(name, weights=False), trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise refusal(name, error) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def dtype_of(name: str) -> torch.dtype:
    """A precision by its name.

    Raises:
        GymQAError: it is none of DTYPES.
    """
    if name not in DTYPES:
        raise GymQAError(f"there is no precision {name!r} for a language model; choose one of {', '.join(DTYPES)}")
    found: torch.dtype = getattr(torch, name)
    return found


def _nf4(compute: torch.dtype) -> Any:
    """QLoRA's way of holding weights: NF4, its scales quantised again."""
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise GymQAError("4-bit weights need bitsandbytes, which is not installed; pip install 'gymqa[qlora]'")
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )
