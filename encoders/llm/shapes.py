"""Shapes of language models, without their weights: Vicuna's are written down, so that nothing need be downloaded."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, PretrainedConfig, PreTrainedModel

from encoders.llm.loading import llm_folder, refusal
from gymqa.hub.client import split_revision

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


def llm_config(name: str) -> PretrainedConfig:
    """The configuration of a language model, as `load_llm` takes it; of others than Vicuna it is looked for.

    Raises:
        GymQAError: there is none under that name.
    """
    known = _VICUNA.get(split_revision(name)[0])
    if known is not None:
        return LlamaConfig(vocab_size=32000, max_position_embeddings=4096, tie_word_embeddings=False, **known)
    try:
        return AutoConfig.from_pretrained(llm_folder(name, weights=False), trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise refusal(name, error) from error


def empty_llm(config: PretrainedConfig, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A language model whose tensors have shapes and no memory (torch's meta device)."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model
