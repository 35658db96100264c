"""Batches of pre-training conversations, with descriptions as text or as soft tokens (pooled word embeddings).

A soft description imitates a projector's output: the embeddings of the description's words, averaged in order into a
few tokens, blended with those of a distractor move (a doubt), scaled and with noise.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from encoders.mllm.collate import rounded
from encoders.mllm.prompts import IGNORED, SYSTEM, VIDEO_ID, Turn, encode_chat, letter_ids, with_video
from encoders.tiny_vicuna_pretraining.corpus import LETTERS, Conversation
from encoders.tuning.alignment import pooling_weights

SOFT_TOKENS = (6, 7, 8, 9)
_MAX_DOUBT = 0.45
ROUND = 16  # lengths are rounded up to its multiples: on a CPU every new shape costs time and memory for new kernels


@dataclass(frozen=True, slots=True)
class Batch:
    """B conversations of at most T tokens, of which some have soft descriptions of at most S words in V tokens."""

    ids: Tensor  # [B, T] with VIDEO_ID for soft tokens
    labels: Tensor  # [B, T]
    mask: Tensor  # [B, T] 1 on tokens, 0 on padding
    word_ids: Tensor  # [B, S] words of the soft descriptions, of the shown and the distractor move
    pooling: Tensor  # [B, V, S] weight of every word in every soft token; zero rows are unused
    noise: Tensor  # [B] standard deviation of the noise relative to the token's norm
    choice_ends: Tensor  # [B, C] position of the token after each choice, -1 where there is none
    right: Tensor  # [B] index of the right choice, IGNORED for conversations without choices


@dataclass(slots=True)
class _Row:
    ids: list[int]
    labels: list[int]
    words: list[int]
    pooling: Tensor  # [V, S]
    noise: float
    ends: list[int]
    right: int


class Collator:
    """Collates conversations into batches with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._letters = letter_ids(tokenizer, LETTERS)
        # a choice starts with a letter and a piece that begins with a dot: "." or, before an apparatus, ".("
        self._dots = {one for piece, one in tokenizer.get_vocab().items() if piece.startswith(".")}
        self._system = len(tokenizer(SYSTEM, add_special_tokens=False).input_ids)
        self._assistant = tokenizer("ASSISTANT", add_special_tokens=False).input_ids[0]

    def rows(self, chats: Sequence[Conversation], rng: random.Random, soft: float, short: bool = False) -> list[_Row]:
        """Tokenize; each conversation is soft with probability `soft`; `short` leaves the system sentence out."""
        rows = [self._soft_row(chat, rng) if rng.random() < soft else self._text_row(chat) for chat in chats]
        return [self._shortened(row) if short else row for row in rows]

    def batch(self, rows: Sequence[_Row]) -> Batch:
        """Pad `rows` on the right to one batch."""
        pad = self._tokenizer.pad_token_id
        length = rounded(max(len(row.ids) for row in rows), ROUND)
        words = rounded(max(max(len(row.words) for row in rows), 1), ROUND)
        pooling = torch.zeros(len(rows), max(SOFT_TOKENS), words)
        for index, row in enumerate(rows):
            pooling[index, : row.pooling.shape[0], : row.pooling.shape[1]] = row.pooling
        return Batch(
            ids=_padded([row.ids for row in rows], length, pad),
            labels=_padded([row.labels for row in rows], length, IGNORED),
            mask=_padded([[1] * len(row.ids) for row in rows], length, 0),
            word_ids=_padded([row.words for row in rows], words, pad),
            pooling=pooling,
            noise=torch.tensor([row.noise for row in rows]),
            choice_ends=_padded([row.ends for row in rows], len(LETTERS), -1),
            right=torch.tensor([row.right for row in rows]),
        )

    def _text_row(self, chat: Conversation) -> _Row:
        encoded = encode_chat(self._tokenizer, [Turn(chat.user(), chat.answer)])
        ends, right = self._choices(chat, encoded.ids)
        return _Row(encoded.ids, encoded.labels, [], torch.zeros(0, 0), 0.0, ends, right)

    def _soft_row(self, chat: Conversation, rng: random.Random) -> _Row:
        n = rng.choice(SOFT_TOKENS)
        encoded = encode_chat(self._tokenizer, [Turn(with_video(chat.question), chat.answer)])
        index = encoded.ids.index(VIDEO_ID)
        ids = encoded.ids[:index] + [VIDEO_ID] * n + encoded.ids[index + 1 :]
        labels = encoded.labels[:index] + [IGNORED] * n + encoded.labels[index + 1 :]
        seen, other = (self._tokenizer(text, add_special_tokens=False).input_ids for text in (chat.seen, chat.other))
        doubt = rng.uniform(0, _MAX_DOUBT) if rng.random() < 0.5 else 0.0
        gain = 2 ** rng.uniform(-1, 1)
        pooling = torch.cat([(1 - doubt) * pooling_weights(len(seen), n), doubt * pooling_weights(len(other), n)], 1)
        ends, right = self._choices(chat, ids)
        return _Row(ids, labels, seen + other, gain * pooling, rng.uniform(0, 0.5), ends, right)

    def _shortened(self, row: _Row) -> _Row:
        cut = slice(1, 1 + self._system)
        ids, labels = list(row.ids), list(row.labels)
        del ids[cut], labels[cut]
        return replace(row, ids=ids, labels=labels, ends=[end - self._system for end in row.ends])

    def _choices(self, chat: Conversation, ids: list[int]) -> tuple[list[int], int]:
        if chat.right is None:
            return [], IGNORED
        starts = [i for i in range(len(ids) - 1) if ids[i] in self._letters and ids[i + 1] in self._dots]
        last = max(i for i, one in enumerate(ids) if one == self._assistant)
        return [*starts[1:], last], chat.right


def input_embeddings(table: nn.Embedding, batch: Batch, generator: torch.Generator | None) -> Tensor:
    """Embed a batch [B, T, D] with its soft tokens; noise only with a generator."""
    embedded: Tensor = table(batch.ids.clamp(min=0))
    slots = batch.ids == VIDEO_ID  # [B, T]
    if not slots.any():
        return embedded
    soft = batch.pooling @ table(batch.word_ids)  # [B, V, D]
    if generator is not None:
        size = soft.detach().pow(2).mean(-1, keepdim=True).sqrt()
        soft = soft + torch.randn(soft.shape, generator=generator) * size * batch.noise[:, None, None]
    used = torch.arange(soft.shape[1])[None] < slots.sum(1, keepdim=True)  # [B, V]
    return embedded.masked_scatter(slots[..., None], soft[used].to(embedded.dtype))


def _padded(rows: Sequence[list[int]], length: int, fill: int) -> Tensor:
    return torch.tensor([row + [fill] * (length - len(row)) for row in rows])
