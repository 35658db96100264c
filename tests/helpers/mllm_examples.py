"""A small world for the language-model tests: a taxonomy of six elements, clips, and features that give them away."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from encoders.llm.loading import load_tokenizer
from encoders.mllm.collate import ChatBatch
from encoders.mllm.model import GymMLLM, GymMLLMConfig
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Attribute, Element, Set, Taxonomy

N, DIM = 7, 16
NAMES = (
    "salto backward tucked",
    "salto forward tucked",
    "split jump",
    "split jump with 1 turn",
    "giant circle backward",
    "giant circle forward",
)
EVENTS = ("FX", "FX", "BB", "BB", "UB", "UB")
SET_IDS = (25, 24, 31, 31, 41, 41)
SETS = (
    Set(24, "FX_front_salto", "FX"),
    Set(25, "FX_back_salto", "FX"),
    Set(31, "BB_leap_jump_hop", "BB"),
    Set(41, "UB_circles", "UB"),
)


def taxonomy() -> Taxonomy:
    elements = tuple(
        Element(
            label, label, SET_IDS[label], EVENTS[label], name, name, (Attribute("Is it a salto?", "salto" in name),)
        )
        for label, name in enumerate(NAMES)
    )
    return Taxonomy("six", elements, SETS)


def clips(per_element: int = 4, first: int = 0) -> list[Clip]:
    return [
        Clip(f"V{label}_E_000000_000010_A_{index:04d}_{index + 1:04d}", f"V{label}", label)
        for label in range(len(NAMES))
        for index in range(first, first + per_element)
    ]


class ExampleFeatures:
    """Tokens of each clip: one random code for each element, and a little noise."""

    def __init__(
        self, known: Sequence[Clip], noise: float = 0.1, name: str = "example", failures: dict[str, str] | None = None
    ) -> None:
        self.fingerprint, self.failures = {"encoder": name}, failures or {}
        codes = torch.randn(len(NAMES), N, DIM, generator=torch.Generator().manual_seed(0))
        generator = torch.Generator().manual_seed(len(known))
        self.tokens = {
            clip.id: codes[clip.label or 0] + noise * torch.randn(N, DIM, generator=generator) for clip in known
        }

    def __contains__(self, key: str) -> bool:
        return key in self.tokens

    def keys(self) -> list[str]:
        return list(self.tokens)

    def get(self, keys: Sequence[str]) -> Tensor:
        return torch.stack([self.tokens[key] for key in keys])


def model(blind: bool = False) -> GymMLLM:
    """An untuned model whose adapters do something (as they come, their second factor is zero)."""
    torch.manual_seed(0)
    return shake(GymMLLM(GymMLLMConfig(encoder={"name": "example"}, visual_dim=DIM, n_visual=N, blind=blind)).eval())


def shake(made: GymMLLM) -> GymMLLM:
    """Give the adapters' second factors values."""
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return made


def save_tiny_llama(folder: Path, **changes: Any) -> Path:
    """A random Llama with tiny-vicuna's tokenizer, as a folder of transformers."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer()
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **{**sizes, **changes})).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_llm() -> str:
    """The folder of a tiny Llama, one for this process and those that it starts; removed at its end."""
    if "GYMQA_TESTS_LLM" not in os.environ:
        folder = tempfile.TemporaryDirectory()
        _KEPT.append(folder)
        os.environ["GYMQA_TESTS_LLM"] = str(save_tiny_llama(Path(folder.name) / "tiny-llama"))
    return os.environ["GYMQA_TESTS_LLM"]


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def losses_of(model: GymMLLM, batch: ChatBatch, videos: Tensor, steps: int) -> list[float]:
    """Of some steps on one batch."""
    optimizer = torch.optim.AdamW((one for one in model.parameters() if one.requires_grad), 1e-2)
    losses = []
    for _ in range(steps):
        loss = model(batch.ids, batch.mask, videos, batch.labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses
