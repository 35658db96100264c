"""Answer likelihoods of many conversations in one forward pass, with shared prefixes encoded once.

The system sentence is encoded once for all clips and kept as key-value cache; a video once for all its questions, a
question once for all its choices. The rest is a token tree per clip (`token_trees.py`); one pass takes several trees.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig

from encoders.answering.token_trees import TokenTree, TreeBatch, common_prefix, flatten_trees
from encoders.mllm.collate import collate, open_videos, rounded
from encoders.mllm.model import GymMLLM, answer_nll
from encoders.mllm.prompts import IGNORED, VIDEO_ID, EncodedChat
from eval.adapters.float32_logits import float32_logits


class SharedPrefixReader:
    """Computes likelihoods of answers; the model's weights must not change during its lifetime.

    Args:
        pad_id: token id for padding.
    """

    def __init__(self, model: GymMLLM, pad_id: int) -> None:
        self._model, self._pad_id = model.eval(), pad_id
        self._prefix: list[int] = []
        self._cache: DynamicCache | None = None

    @torch.inference_mode()
    def log_likelihoods(self, rows: Sequence[Sequence[EncodedChat]], videos: Tensor | None) -> list[list[float]]:
        """Log-likelihood of each conversation's answer, in nats, in one pass.

        Args:
            rows: conversations with an answer each, those of a row about one video.
            videos: encoder tokens [len(rows), N, D]; None where no conversation has a `<video>`.

        Raises:
            GymQAError: a conversation longer than the language model's context, or videos of another shape or number.
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
        steps = _steps(trees)
        logits = self._logits(trees, videos, steps)
        return _sums(trees, logits, *(one.to(logits.device) for one in steps))

    def why_too_long(self, chat: EncodedChat) -> str | None:
        """The reason why a conversation is too long; None where it fits. Its last token is not encoded."""
        length = len(open_videos(chat, self._model.config.n_visual).ids)
        if supports_token_trees(self._model.llm.config):
            return self._model.why_too_long(length - 1)
        return self._model.why_too_long(rounded(length))

    def _logits(self, trees: Sequence[TokenTree], videos: Tensor | None, steps: Sequence[Tensor]) -> Tensor:
        """Logits [R, K, V] of the nodes that predict answers, aligned at the end."""
        prefix = self._read_prefix(trees)
        batch = flatten_trees(trees, len(prefix), self._pad_id).to(self._model.device)
        self._model.require_room(1 + int(batch.positions.max()))
        cache = copy.deepcopy(self._cache)
        if cache is not None:
            cache.batch_repeat_interleave(len(trees))
        n_videos = torch.tensor([tree.ids.count(VIDEO_ID) // self._model.config.n_visual for tree in trees])
        if videos is not None:
            videos = videos.repeat_interleave(n_videos, dim=0).to(self._model.device)
        embedded = self._model.embed(batch.ids, videos)
        with float32_logits(self._model.llm, *steps):
            logits: Tensor = self._model.llm(
                inputs_embeds=embedded,
                attention_mask=_additive(batch, embedded.dtype),
                position_ids=batch.positions,
                past_key_values=cache,
                use_cache=cache is not None,
                logits_to_keep=batch.asked,
            ).logits
        return logits

    def _read_prefix(self, trees: Sequence[TokenTree]) -> list[int]:
        """The common prefix of these trees, encoded into the key-value cache."""
        prefix = common_prefix([tree.shared_prefix() for tree in trees])
        if prefix != self._prefix:  # a partial match is not reused: results must not depend on earlier calls
            self._prefix, self._cache = prefix, None
            if prefix:
                self._cache = DynamicCache(config=self._model.llm.config)
                ids = torch.tensor([prefix], device=self._model.device)
                self._model.llm(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        return self._prefix


def _steps(trees: Sequence[TokenTree]) -> tuple[Tensor, Tensor, Tensor]:
    """Row, position from the end of the logits, and token of every answer token of every conversation: [N] each."""
    steps = []
    for row, tree in enumerate(trees):
        asked = tree.asked()
        position_of = {node: index - len(asked) for index, node in enumerate(asked)}
        steps += [(row, position_of[node], token) for answer in tree.answers for node, token in answer]
    rows, positions, tokens = torch.tensor(steps).T
    return rows, positions, tokens


def _sums(
    trees: Sequence[TokenTree], logits: Tensor, rows: Tensor, positions: Tensor, tokens: Tensor
) -> list[list[float]]:
    """Sum the log-probabilities of each conversation's answer tokens, by their steps in the logits [R, K, V]."""
    norm = logits.float().logsumexp(-1)  # [R, K]
    each = iter((logits[rows, positions, tokens].float() - norm[rows, positions]).tolist())
    return [[sum(next(each) for _ in answer) for answer in tree.answers] for tree in trees]


def supports_token_trees(config: PretrainedConfig) -> bool:
    """Whether every layer of a language model accepts a custom attention mask and custom positions.

    Layers with a sliding window or a state, and positions derived from the mask (ALiBi), do not; such a model encodes
    every conversation in full. So does one with an attention implementation that takes no such mask.
    """
    layers = {*(getattr(config, "layer_types", None) or ["full_attention"])}
    counts = getattr(config, "alibi", False) or getattr(config, "sliding_window", None)
    return config._attn_implementation in ("eager", "sdpa") and layers == {"full_attention"} and not counts


@torch.inference_mode()
def separate_log_likelihoods(
    model: GymMLLM, pad_id: int, chats: Sequence[EncodedChat], videos: Tensor | None
) -> list[float]:
    """Log-likelihood of each conversation's answer, every conversation encoded in full; `videos` [len(chats), N, D].

    The reference for `SharedPrefixReader`.

    Raises:
        GymQAError: a conversation longer than the language model's context, or videos of another shape or number.
    """
    batch = collate(chats, model.config.n_visual, pad_id, pad_left=True).to(model.device)
    rows, positions = (batch.labels[:, 1:] != IGNORED).nonzero().T
    steps = rows, positions - batch.labels.shape[1], batch.labels[rows, positions + 1]
    with float32_logits(model.llm, *steps):
        out = model(batch.ids, batch.mask, None if videos is None else videos.to(model.device))
    nll, _ = answer_nll(out.logits, batch.labels)
    likelihoods: list[float] = (-nll.sum(1)).tolist()
    return likelihoods


def _additive(batch: TreeBatch, dtype: torch.dtype) -> Tensor:
    """The mask in additive form, which every attention implementation takes: [R, 1, T, P + T]."""
    zeros = torch.zeros(batch.mask.shape, dtype=dtype, device=batch.mask.device)
    return zeros.masked_fill_(~batch.mask, torch.finfo(dtype).min)
