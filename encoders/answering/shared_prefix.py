"""Likelihoods of answers, many conversations in one pass: what they share is read once.

The system sentence is read once for all clips and kept as keys and values; a video once for all questions about it, a
question once for all its choices. What is left is a token tree for each clip, and one pass reads several.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig

from encoders.answering.token_trees import TokenTree, TreeBatch, common_prefix, flatten_trees
from encoders.mllm.collate import collate, open_videos, rounded
from encoders.mllm.model import GymMLLM, answer_nll
from encoders.mllm.prompts import VIDEO_ID, EncodedChat


class SharedPrefixReader:
    """Reads conversations for their answers' likelihoods; the model must stay as it is meanwhile.

    Args:
        pad_id: a token id to pad with.
    """

    def __init__(self, model: GymMLLM, pad_id: int) -> None:
        self._model, self._pad_id = model.eval(), pad_id
        self._prefix: list[int] = []
        self._cache: DynamicCache | None = None

    @torch.inference_mode()
    def log_likelihoods(self, rows: Sequence[Sequence[EncodedChat]], videos: Tensor | None) -> list[list[float]]:
        """Log-likelihood of each conversation's answer, in nats, in one pass.

        Args:
            rows: conversations with an answer each, all those of a row about the row's own video.
            videos: encoder tokens [len(rows), N, D]; None where no conversation has a place for one.

        Raises:
            GymQAError: a conversation longer than the language model's context, or videos that do not fit.
        """
        if not supports_token_trees(self._model.llm.config):
            times = torch.tensor([len(row) for row in rows])
            each = None if videos is None else videos.repeat_interleave(times, dim=0)
            found = iter(
                separate_log_likelihoods(self._model, self._pad_id, [one for row in rows for one in row], each)
            )
            return [[next(found) for _ in row] for row in rows]
        n_visual = self._model.config.n_visual
        trees = [TokenTree.grow([open_videos(chat, n_visual) for chat in row]) for row in rows]
        return self._answers(trees, self._logits(trees, videos))

    def why_too_long(self, chat: EncodedChat) -> str | None:
        """Why a conversation cannot be read; None where it can. Its last token predicts nothing and is not read."""
        length = len(open_videos(chat, self._model.config.n_visual).ids)
        if supports_token_trees(self._model.llm.config):
            return self._model.why_too_long(length - 1)
        return self._model.why_too_long(rounded(length))

    def _logits(self, trees: Sequence[TokenTree], videos: Tensor | None) -> Tensor:
        """Logits [R, K, V] of each tree's asked nodes, its last one last."""
        prefix = self._read_prefix(trees)
        batch = flatten_trees(trees, len(prefix), self._pad_id).to(self._model.device)
        self._model.require_room(1 + int(batch.positions.max()))
        cache = copy.deepcopy(self._cache)
        if cache is not None:
            cache.batch_repeat_interleave(len(trees))
        places = torch.tensor([tree.ids.count(VIDEO_ID) // self._model.config.n_visual for tree in trees])
        if videos is not None:
            videos = videos.repeat_interleave(places, dim=0).to(self._model.device)
        embedded = self._model.embed(batch.ids, videos)
        logits: Tensor = self._model.llm(
            inputs_embeds=embedded,
            attention_mask=_additive(batch, embedded.dtype),
            position_ids=batch.positions,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=batch.asked,
        ).logits
        return logits

    def _answers(self, trees: Sequence[TokenTree], logits: Tensor) -> list[list[float]]:
        """Sum the log-probabilities of each conversation's answer tokens."""
        steps = []  # of every answer token of every conversation: row, place among the logits, token
        for row, tree in enumerate(trees):
            asked = tree.asked()
            place = {node: logits.shape[1] - len(asked) + index for index, node in enumerate(asked)}
            steps += [(row, place[node], token) for answer in tree.answers for node, token in answer]
        at_row, at_place, tokens = torch.tensor(steps, device=logits.device).T
        norm = logits.float().logsumexp(-1)  # [R, K]
        each = iter((logits[at_row, at_place, tokens].float() - norm[at_row, at_place]).tolist())
        return [[sum(next(each) for _ in answer) for answer in tree.answers] for tree in trees]

    def _read_prefix(self, trees: Sequence[TokenTree]) -> list[int]:
        """The tokens that these trees begin with, their keys and values in the cache."""
        trunk = common_prefix([tree.trunk() for tree in trees])
        if trunk != self._prefix:  # a part of it would do, but what is read must not depend on what was read before
            self._prefix, self._cache = trunk, None
            if trunk:
                self._cache = DynamicCache(config=self._model.llm.config)
                ids = torch.tensor([trunk], device=self._model.device)
                self._model.llm(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        return self._prefix


def supports_token_trees(config: PretrainedConfig) -> bool:
    """Whether a language model follows a mask and positions of our own in every layer.

    Layers with a window or a state, and positions that are counted from the mask (ALiBi), do not; such a model reads
    every conversation in full. So does one under an attention that takes no such mask.
    """
    layers = {*(getattr(config, "layer_types", None) or ["full_attention"])}
    counts = getattr(config, "alibi", False) or getattr(config, "sliding_window", None)
    return config._attn_implementation in ("eager", "sdpa") and layers == {"full_attention"} and not counts


@torch.inference_mode()
def separate_log_likelihoods(
    model: GymMLLM, pad_id: int, chats: Sequence[EncodedChat], videos: Tensor | None
) -> list[float]:
    """Log-likelihood of each conversation's answer, every conversation read in full; `videos` [len(chats), N, D].

    What `SharedPrefixReader` is held against.

    Raises:
        GymQAError: a conversation longer than the language model's context, or videos that do not fit.
    """
    batch = collate(chats, model.config.n_visual, pad_id, pad_left=True).to(model.device)
    out = model(batch.ids, batch.mask, None if videos is None else videos.to(model.device))
    nll, _ = answer_nll(out.logits, batch.labels)
    likelihoods: list[float] = (-nll.sum(1)).tolist()
    return likelihoods


def _additive(batch: TreeBatch, dtype: torch.dtype) -> Tensor:
    """The mask as what attention adds to its scores, which every implementation of it takes: [R, 1, T, P + T]."""
    return torch.zeros(batch.sees.shape, dtype=dtype, device=batch.sees.device).masked_fill_(
        ~batch.sees, torch.finfo(dtype).min
    )
