"""Pre-training loop of tiny-vicuna: curriculum, losses and checkpoints, on one CPU, resumable at any step.

Besides the language-model loss on the answers, an auxiliary linear probe on a middle layer predicts behind every choice
how well it matches the description. It is discarded afterwards; with it letter matching emerges within minutes, from
the answer's letter alone within hours, because every choice gives a gradient.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from encoders.mllm.collate import rounded
from encoders.mllm.prompts import IGNORED
from encoders.tiny_vicuna_pretraining.batches import ROUND, Batch, Collator, input_embeddings
from encoders.tiny_vicuna_pretraining.corpus import make_conversation
from encoders.tiny_vicuna_pretraining.grammar import Move, all_moves, is_held_out
from gymqa.io.console import progress_bar
from recognizers.training.checkpoint import load_checkpoint, save_checkpoint

_POOL = 8  # batches sampled together and sorted by length, to reduce padding


@dataclass(frozen=True)
class PretrainingConfig:
    """Model config and schedule; the defaults gave the shipped weights.

    The learning rate decides whether matching is learned: with 1.5e-3 to 2e-3 the probe stays at chance for hundreds of
    steps after which 6e-4 has left it.
    """

    steps: int = 3000
    batch_size: int = 32
    learning_rate: float = 6e-4
    warmup: int = 60
    weight_decay: float = 0.01
    probe_weight: float = 1.0
    hidden: int = 256
    layers: int = 5
    feed_forward: int = 512
    heads: int = 8
    key_value_heads: int = 4
    probe_layer: int = 3
    checkpoint_every: int = 200
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Stage:
    """Difficulty of the curriculum at one step."""

    n_choices: int
    plainness: float
    soft: float
    short: bool


def stage(step: int, steps: int, rng: random.Random) -> Stage:
    """Curriculum: two choices in plain words first; four, paraphrased and half of them soft, from 35 % on.

    The first 30 % omit the system sentence, a third of the tokens.
    """
    done = step / steps
    hardest = 2 if done < 0.1 else 3 if done < 0.2 else 4
    n_choices = hardest if rng.random() < 0.8 else rng.randint(2, hardest)
    soft = 0.0 if done < 0.1 else min(0.5, 2 * (done - 0.1))
    return Stage(n_choices, max(0.2, 0.9 - 2 * done), soft, short=done < 0.3)


def build_model(config: PretrainingConfig, vocabulary: int) -> LlamaForCausalLM:
    """A Llama of about 3 M parameters with tied embeddings and eager attention (measured to be faster on a CPU)."""
    torch.manual_seed(config.seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=config.hidden,
            intermediate_size=config.feed_forward,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.key_value_heads,
            max_position_embeddings=2048,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
            attn_implementation="eager",
        )
    )


def training_moves() -> tuple[Move, ...]:
    """The moves that are not held out."""
    return tuple(move for move in all_moves() if not is_held_out(move))


def losses(
    model: LlamaForCausalLM, probe: nn.Linear, batch: Batch, layer: int, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Language-model loss and probe loss of a batch, each averaged over its conversations."""
    inputs = input_embeddings(model.get_input_embeddings(), batch, noise)
    out = model.model(inputs_embeds=inputs, attention_mask=batch.mask, output_hidden_states=True)
    answer = _answer_loss(model, out.last_hidden_state, batch.labels)
    return answer, _choice_loss(probe, out.hidden_states[layer], batch)


def _answer_loss(model: LlamaForCausalLM, hidden: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the answers, weighted by the square root of their length; logits at the answers only."""
    row, position = (labels[:, 1:] != IGNORED).nonzero(as_tuple=True)
    pad = rounded(len(row), ROUND) - len(row)
    picked = nn.functional.pad(hidden[row, position], (0, 0, 0, pad))  # [answer tokens, D]
    logits = model.lm_head(picked)[: len(row)].float()
    each = nn.functional.cross_entropy(logits, labels[row, position + 1], reduction="none")
    lengths = torch.bincount(row, minlength=len(labels))
    return (each / lengths[row].sqrt()).sum() / len(labels)


def _choice_loss(probe: nn.Linear, hidden: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of the right choice under the probe's scores at the end of every choice."""
    ends = batch.choice_ends  # [B, C]
    at_ends = hidden.gather(1, ends.clamp(min=0)[..., None].expand(-1, -1, hidden.shape[-1]))  # [B, C, D]
    scores = probe(at_ends)[..., 0].float().masked_fill(ends < 0, -1e4)
    each = nn.functional.cross_entropy(scores, batch.right, ignore_index=IGNORED, reduction="sum")
    return each / (batch.right != IGNORED).sum().clamp(min=1)


class Pretraining:
    """One run in one folder: `step` after `step`, checkpointed, resumed from the last checkpoint."""

    def __init__(self, config: PretrainingConfig, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
        self.config, self.folder = config, folder
        self.model = build_model(config, len(tokenizer))
        self.probe = nn.Linear(config.hidden, 1)
        self._collator = Collator(tokenizer)
        self._moves = training_moves()
        self._pool: list[Batch] = []
        self._parameters = [*self.model.parameters(), *self.probe.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._parameters, config.learning_rate, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True
        )
        self.step, self.seconds = 0, 0.0
        self._recent: list[tuple[float, float]] = []
        self._resume()

    def run(self, on_checkpoint: Callable[["Pretraining"], None] | None = None, until: int | None = None) -> None:
        """Train to the end (or to step `until`), writing a checkpoint every so many steps."""
        last = min(until or self.config.steps, self.config.steps)
        with progress_bar("pre-training tiny-vicuna", self.config.steps, self.step) as bar:
            while self.step < last:
                began = time.monotonic()
                language, matching = self._train_step()
                self.seconds += time.monotonic() - began
                self._recent = [*self._recent[-49:], (language, matching)]
                bar.advance(note=f"answer {language:.3f}  choice {matching:.3f}")
                if self.step % self.config.checkpoint_every == 0 or self.step == last:
                    self._save()
                    if on_checkpoint is not None:
                        on_checkpoint(self)

    def recent(self) -> tuple[float, float]:
        """Mean answer loss and choice loss of the last 50 steps."""
        language, matching = (sum(column) / len(column) for column in zip(*self._recent, strict=True))
        return round(language, 4), round(matching, 4)

    def _train_step(self) -> tuple[float, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate()
        noise = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.step)
        self.model.train()
        with torch.autocast("cpu", torch.bfloat16):
            language, matching = losses(self.model, self.probe, self._next_batch(), self.config.probe_layer, noise)
            loss = language + self.config.probe_weight * matching
        if not math.isfinite(loss.item()):
            raise FloatingPointError(f"the loss of step {self.step} is not a number")
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.step += 1
        return language.item(), matching.item()

    def _learning_rate(self) -> float:
        warm = min(1.0, (self.step + 1) / self.config.warmup)
        left = 0.02 + 0.49 * (1 + math.cos(math.pi * self.step / self.config.steps))
        return self.config.learning_rate * warm * left

    def _next_batch(self) -> Batch:
        """The batch of this step, from a pool sampled at its first step as a function of step and seed."""
        within = self.step % _POOL
        if within == 0 or not self._pool:
            self._pool = self._sample_pool(self.step - within)
        return self._pool[within]

    def _sample_pool(self, first: int) -> list[Batch]:
        rng = random.Random(f"{self.config.seed}-{first}")
        rows: list[Any] = []
        for _ in range(_POOL * self.config.batch_size):
            now = stage(first, self.config.steps, rng)
            chat = make_conversation(self._moves, rng, now.n_choices, now.plainness)
            rows += self._collator.rows([chat], rng, now.soft, now.short)
        rows.sort(key=lambda row: len(row.ids))
        size = self.config.batch_size
        batches = [self._collator.batch(rows[start : start + size]) for start in range(0, len(rows), size)]
        rng.shuffle(batches)
        return batches

    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def _save(self) -> None:
        state = {
            "model": self.model.state_dict(),
            "probe": self.probe.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        save_checkpoint(self._checkpoint(), asdict(self.config), state)

    def _resume(self) -> None:
        state = load_checkpoint(self._checkpoint(), asdict(self.config))
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.probe.load_state_dict(state["probe"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]


def held_out_moves() -> Sequence[Move]:
    """The moves that training never names or describes."""
    return tuple(move for move in all_moves() if is_held_out(move))
