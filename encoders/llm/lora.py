"""LoRA, DoRA and QLoRA settings, and adapters on a language model's linear layers through peft."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel

from gymqa.errors import GymQAError

QUANTIZATIONS = ("none", "nf4")


def linear_paths(model: PreTrainedModel, targets: Sequence[str] = ()) -> list[str]:
    """Full paths of the linear layers to adapt, without the output layer.

    Args:
        model: the language model, before any adapter.
        targets: last path components ("q_proj") or full paths; empty means all.

    Raises:
        GymQAError: a target that matches no linear layer, or a model that has none.
    """
    head = model.get_output_embeddings()
    paths = [path for path, module in model.named_modules() if isinstance(module, nn.Linear) and module is not head]
    if not paths:
        raise GymQAError(f"{type(model).__name__} has no linear layers for LoRA to adapt; use a Llama-style model")
    for target in targets:
        if not any(_matches(path, target) for path in paths):
            known = ", ".join(sorted({path.rpartition(".")[2] for path in paths}))
            raise GymQAError(f"the LoRA target {target!r} matches no linear layer of the model; it has {known}")
    return [path for path in paths if not targets or any(_matches(path, target) for target in targets)]


@dataclass(frozen=True)
class LoRASettings:
    """Low-rank adapters; `targets` are module names or full paths, empty for every linear layer of the LLM.

    `use_dora` tunes direction and magnitude of the weights separately (DoRA, Liu et al. 2024). `quantization` nf4
    stores the frozen weights in 4 bits (QLoRA, Dettmers et al. 2023); it needs bitsandbytes, `gymqa[qlora]`.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ()
    use_dora: bool = False
    quantization: str = "none"

    def __post_init__(self) -> None:
        if self.r < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise GymQAError("LoRA takes r of 1 or more, alpha above 0, and a dropout from 0 to below 1")
        if self.quantization not in QUANTIZATIONS:
            raise GymQAError(f"there is no quantization {self.quantization!r}; choose {' or '.join(QUANTIZATIONS)}")


def add_lora(model: PreTrainedModel, settings: LoRASettings) -> PeftModel:
    """Wrap `model`: its own weights frozen, W x + (alpha / r) B A x on every target (LoRA, Hu et al. 2021, eq. 3).

    With `use_dora`, m V / |V| x, V = W + (alpha / r) B A, m a magnitude per output (DoRA, Liu et al. 2024).
    The adapters are float32 whatever the precision of `model`.
    """
    config = LoraConfig(
        r=settings.r,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=linear_paths(model, settings.targets),
        use_dora=settings.use_dora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():  # peft uses a renamed function of transformers
        warnings.simplefilter("ignore", FutureWarning)
        return get_peft_model(model, config)


def _matches(path: str, target: str) -> bool:
    return path == target or path.rpartition(".")[2] == target
