"""Random-weight language models of given config and conversations of given lengths, for the speed benchmarks.

Speed depends on the config, not on the weights. Imported by the benchmarks of answering and tuning.
"""

import random
from dataclasses import dataclass

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from encoders.mllm.model import GymMLLM, GymMLLMConfig
from encoders.mllm.prompts import IGNORED, VIDEO_ID, EncodedChat

N_CHOICES = 4


@dataclass(frozen=True)
class MLLMSize:
    """Config of a Llama and its visual tokens.

    Attributes:
        lora: rank of the adapters on every linear layer.
    """

    width: int
    mlp: int
    layers: int
    heads: int
    vocabulary: int
    n_visual: int
    visual_dim: int
    lora: int = 16

    def build(
        self, attention: str, seed: int, device: str | torch.device = "cpu", weights: torch.dtype = torch.float32
    ) -> GymMLLM:
        """Build the model, with a projector of two layers; `attention` as transformers names it.

        The language model is made on the device and in the precision of its `weights`, so that 7 B of them take 14 GB
        there and nothing of the host's memory. Adapters and projector are float32.
        """
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            intermediate_size=self.mlp,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
        )
        with torch.device(device):
            llm = AutoModelForCausalLM.from_config(config, dtype=weights, attn_implementation=attention)
        made = GymMLLMConfig(
            llm="a random Llama",
            visual_dim=self.visual_dim,
            n_visual=self.n_visual,
            projector="mlp2",
            lora={"r": self.lora, "alpha": 2 * self.lora},
        )
        return GymMLLM(made, llm).to(device)


@dataclass(frozen=True)
class Lengths:
    """Tokens of a conversation's parts; `names` different choices are offered in all questions about one clip."""

    system: int
    question: int
    name: int
    end: int = 5
    names: int = 11

    @property
    def lettered(self) -> int:
        """Text tokens of a question with its choices, a letter and a full stop before each."""
        return self.system + self.question + N_CHOICES * (2 + self.name) + self.end


@dataclass(frozen=True)
class DrawnQuestion:
    """Token ids of one question about a clip: its prompt with and without the choices, and each choice as an answer."""

    lettered: list[int]
    plain: list[int]
    choices: list[list[int]]


def draw_clips(lengths: Lengths, vocabulary: int, clips: int, questions: int, seed: int) -> list[list[DrawnQuestion]]:
    """Questions about each clip: the same text, one name in all of them, the others in turn from the clip's names.

    That is how Gym-QA, Gym-QA-Hard and Gym-New ask about a clip: of its 13 to 16 choices about 10 are different.
    """
    rng = random.Random(seed)

    def draw(length: int) -> list[int]:
        return [rng.randrange(3, vocabulary) for _ in range(length)]

    begin, text, end = draw(lengths.system), draw(lengths.question), draw(lengths.end)
    marks = [draw(2) for _ in range(N_CHOICES)]
    found = []
    for _ in range(clips):
        right, *others = (draw(lengths.name) for _ in range(lengths.names))
        asked = []
        for number in range(questions):
            first = (N_CHOICES - 1) * number
            choices = [right, *(others[(first + i) % len(others)] for i in range(N_CHOICES - 1))]
            plain = [*begin, VIDEO_ID, *text]
            listed = [token for mark, choice in zip(marks, choices, strict=True) for token in (*mark, *choice)]
            asked.append(DrawnQuestion([*plain, *listed, *end], [*plain, *end], [[*one, 2] for one in choices]))
        found.append(asked)
    return found


def conversation(prompt: list[int], answer: list[int]) -> EncodedChat:
    """A prompt and its answer, whose loss alone is computed."""
    return EncodedChat([*prompt, *answer], [*[IGNORED] * len(prompt), *answer])
