"""Evaluate tiny-vicuna after pre-training: accuracy on text-only multiple choice about held-out move names."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from encoders.mllm.prompts import IGNORED, letter_ids
from encoders.tiny_vicuna_pretraining.batches import Collator, input_embeddings
from encoders.tiny_vicuna_pretraining.corpus import LETTERS, TIERS, Conversation, multiple_choice
from encoders.tiny_vicuna_pretraining.grammar import Move, all_moves

_PLAINNESS = 0.2


def figures(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, moves: Sequence[Move], questions: int, seed: int
) -> dict[str, Any]:
    """Accuracy of four-choice questions about `moves`, by tier of the distractors, scoring and kind of description.

    Distractors come from the whole grammar. Chance is 0.25.
    """
    result: dict[str, Any] = {"questions_per_tier": questions, "chance": 0.25}
    for kind, soft in (("text", 0.0), ("soft", 1.0)):
        for scoring in ("letters", "texts"):
            tiers = {tier: accuracy(model, tokenizer, moves, questions, seed, tier, soft, scoring) for tier in TIERS}
            result[f"{kind} description, {scoring}"] = tiers
    return result


def accuracy(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    moves: Sequence[Move],
    questions: int,
    seed: int,
    tier: str,
    soft: float,
    scoring: str,
) -> float:
    """Accuracy on four-choice questions of one tier; descriptions are pooled with `soft` 1, text with 0."""
    model.eval()
    rng = random.Random(f"{seed}-{tier}-{soft}")
    score = letter_scores if scoring == "letters" else text_scores
    right = 0
    for start in range(0, questions, 32):
        chats = [_question(moves, rng, tier) for _ in range(min(32, questions - start))]
        picked = score(model, tokenizer, chats, soft, random.Random(start)).argmax(1).tolist()
        right += sum(pick == chat.right for pick, chat in zip(picked, chats, strict=True))
    return round(right / questions, 4)


def _question(moves: Sequence[Move], rng: random.Random, tier: str) -> Conversation:
    while True:
        chat = multiple_choice(rng.choice(moves), all_moves(), rng, 4, tier, _PLAINNESS)
        if chat.kind == "choice":
            return chat


@torch.inference_mode()
def letter_scores(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, chats: Sequence[Conversation], soft: float, rng: Any
) -> Tensor:
    """Logits of the letters behind `ASSISTANT:` [B, 4]."""
    collator = Collator(tokenizer)
    batch = collator.batch(collator.rows(chats, rng, soft))
    hidden = model.model(
        inputs_embeds=input_embeddings(model.get_input_embeddings(), batch, None), attention_mask=batch.mask
    ).last_hidden_state
    before = (batch.labels != IGNORED).int().argmax(1) - 1  # the position before the answer
    logits = model.lm_head(hidden[torch.arange(len(chats)), before]).float()
    return logits[:, letter_ids(tokenizer, LETTERS)]


@torch.inference_mode()
def text_scores(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, chats: Sequence[Conversation], soft: float, rng: Any
) -> Tensor:
    """Mean log-likelihood of each choice's text as the answer to the open question [B, 4]."""
    collator = Collator(tokenizer)
    opened = [
        Conversation("open", chat.seen, chat.other, _stem(chat.question), name)
        for chat in chats
        for name in _names(chat.question)
    ]
    batch = collator.batch([row for one in opened for row in collator.rows([one], random.Random(one.seen), soft)])
    logits = model(
        inputs_embeds=input_embeddings(model.get_input_embeddings(), batch, None), attention_mask=batch.mask
    ).logits.float()
    labels = batch.labels[:, 1:]
    each = nn.functional.cross_entropy(logits[:, :-1].transpose(1, 2), labels, reduction="none", ignore_index=IGNORED)
    return -(each.sum(1) / (labels != IGNORED).sum(1)).view(len(chats), len(LETTERS))


def _stem(question: str) -> str:
    return question.split(" A.")[0]


def _names(question: str) -> list[str]:
    rest = question
    names = []
    for letter in LETTERS[1:]:
        name, rest = rest.split(f" {letter}.", 1)
        names.append(name)
    return [names[0].split(" A.", 1)[1], *names[1:], rest]
