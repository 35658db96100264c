"""Prefix tree of prompts; shared prefixes are encoded once, under a tree attention mask.

Every token attends to its ancestors only, so that each conversation is encoded as if it were alone. The tree is
flattened for one pass, as in speculative decoding (SpecInfer, Miao et al. 2024, section 4.2).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.mllm.collate import rounded
from encoders.mllm.prompts import IGNORED, VIDEO_ID, EncodedChat


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Prefix tree of tokens; node 0 is a first token, a parent has a smaller index than its children.

    Attributes:
        ids: token of each node; VIDEO_ID once for every visual token.
        parents: parent of each node, -1 for a first token.
        answers: per conversation the answer's tokens in order, as (predicting node, token).
    """

    ids: list[int]
    parents: list[int]
    answers: list[list[tuple[int, int]]]

    @classmethod
    def grow(cls, chats: Sequence[EncodedChat]) -> "TokenTree":
        """The tree of conversations with opened videos; a `<video>` at the same position is the same video.

        A conversation's last token predicts nothing and is left out.
        """
        ids: list[int] = []
        parents: list[int] = []
        answers = []
        nodes: dict[tuple[int, int], int] = {}
        for chat in chats:
            node, answer = -1, list[tuple[int, int]]()
            for token, after in zip(chat.ids[:-1], chat.labels[1:], strict=True):
                known = nodes.setdefault((node, token), len(ids))
                if known == len(ids):
                    ids.append(token)
                    parents.append(node)
                node = known
                if after != IGNORED:
                    answer.append((node, after))
            answers.append(answer)
        return cls(ids, parents, answers)

    def asked(self) -> list[int]:
        """The nodes that predict a token of an answer, in order."""
        return sorted({node for answer in self.answers for node, _ in answer})

    def depths(self) -> list[int]:
        """Depth of each node, its position in its conversations."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return depths

    def shared_prefix(self) -> list[int]:
        """The common prefix of all conversations, up to a video or a token that predicts an answer."""
        children, asked = Counter(self.parents), {*self.asked()}
        length = 0
        while children[length - 1] == 1 and self.ids[length] != VIDEO_ID and length not in asked:
            length += 1
        return self.ids[:length]


@dataclass(frozen=True, slots=True)
class TreeBatch:
    """R flattened trees, padded on the left, behind a shared prefix of P tokens encoded before."""

    ids: Tensor  # [R, T] nodes that predict an answer come last
    positions: Tensor  # [R, T]
    mask: Tensor  # [R, 1, T, P + T] whether a token attends to another
    asked: int  # number of last tokens whose logits are needed

    def to(self, device: torch.device) -> "TreeBatch":
        """The same batch on `device`."""
        return TreeBatch(self.ids.to(device), self.positions.to(device), self.mask.to(device), self.asked)


def common_prefix(rows: Sequence[Sequence[int]]) -> list[int]:
    """The common prefix of all rows."""
    start: list[int] = []
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        start.append(column[0])
    return start


def flatten_trees(trees: Sequence[TokenTree], n_prefix: int, pad_id: int) -> TreeBatch:
    """Flatten trees whose first `n_prefix` nodes, the shared prefix, were encoded before."""
    orders = [_order(tree, n_prefix) for tree in trees]
    length = rounded(max(len(order) for order in orders))
    ids = np.full((len(trees), length), pad_id)
    positions = np.zeros_like(ids)
    mask = np.zeros((len(trees), 1, length, n_prefix + length), dtype=bool)
    mask[..., :n_prefix] = True
    mask[..., n_prefix:] |= np.eye(length, dtype=bool)  # padding attends to itself: an empty row gives NaN
    for row, (tree, order) in enumerate(zip(trees, orders, strict=True)):
        start = length - len(order)
        ids[row, start:] = np.asarray(tree.ids)[order]
        positions[row, start:] = np.asarray(tree.depths())[order]
        mask[row, 0, start:, n_prefix + start :] = _ancestors(tree)[np.ix_(order, order)]
    asked = max(len(tree.asked()) for tree in trees)
    return TreeBatch(torch.from_numpy(ids), torch.from_numpy(positions), torch.from_numpy(mask), asked)


def _order(tree: TokenTree, n_prefix: int) -> list[int]:
    """The nodes behind the prefix, with those that predict an answer last."""
    asked = tree.asked()
    return [*sorted(set(range(n_prefix, len(tree.ids))).difference(asked)), *asked]


def _ancestors(tree: TokenTree) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Ancestor matrix [n, n]: row i marks node i and its ancestors."""
    ancestors = np.eye(len(tree.ids), dtype=bool)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            ancestors[node] |= ancestors[parent]
    return ancestors
