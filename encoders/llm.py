"""Language models by name: the embedded tiny-vicuna, or any causal model that transformers can load."""

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from encoders.llm_identity import TINY_VICUNA, refusal, source


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
            source(name), dtype=dtype, attn_implementation=attention
        )
        enable_progress_bar()
    except (OSError, ValueError, KeyError) as error:
        raise refusal(name, error) from error
    return model, tokenizer


def load_tokenizer(name: str = TINY_VICUNA) -> PreTrainedTokenizerBase:
    """The tokenizer of `load_llm(name)`; one without a padding token pads with <unk> (as Vicuna) or </s>."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(source(name))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer
