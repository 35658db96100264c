"""Conversations as a tree of tokens: what several of them begin with stands once, and is read once.

Every token sees the tokens on its way from the root and no other, so that each conversation is read as if it stood
alone. The tree is laid flat for one pass with a mask, as speculative decoding does with its drafts (SpecInfer, Miao et
al. 2024, section 4.2).
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
    """Tokens and what stands before each; node 0 is a first token, a node's parent has a smaller number.

    Attributes:
        ids: token of each node; VIDEO_ID once for every visual token.
        parents: node before each node, -1 for a first token.
        answers: of each conversation, its answer: (node that predicts it, token) one after the other.
    """

    ids: list[int]
    parents: list[int]
    answers: list[list[tuple[int, int]]]

    @classmethod
    def grow(cls, chats: Sequence[EncodedChat]) -> "TokenTree":
        """The tree of conversations whose videos are opened and, where they stand in the same place, the same.

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
        """How many tokens stand before each node in its conversations."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(0 if parent < 0 else depths[parent] + 1)
        return depths

    def trunk(self) -> list[int]:
        """The tokens that all conversations begin with, none of a video and none that predicts an answer."""
        children, asked = Counter(self.parents), {*self.asked()}
        length = 0
        while children[length - 1] == 1 and self.ids[length] != VIDEO_ID and length not in asked:
            length += 1
        return self.ids[:length]


@dataclass(frozen=True, slots=True)
class TreeBatch:
    """R trees laid flat, padded on the left, behind P tokens that all of them begin with and that were read before."""

    ids: Tensor  # [R, T] the nodes that predict an answer come last
    positions: Tensor  # [R, T]
    sees: Tensor  # [R, 1, T, P + T] whether a token sees another
    asked: int  # the last so many tokens are those whose logits are wanted

    def to(self, device: torch.device) -> "TreeBatch":
        """The same batch on `device`."""
        return TreeBatch(self.ids.to(device), self.positions.to(device), self.sees.to(device), self.asked)


def common_prefix(rows: Sequence[Sequence[int]]) -> list[int]:
    """The tokens that all rows begin with."""
    start: list[int] = []
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        start.append(column[0])
    return start


def flatten_trees(trees: Sequence[TokenTree], n_prefix: int, pad_id: int) -> TreeBatch:
    """Lay trees flat whose first `n_prefix` nodes (of their trunk) were read before."""
    orders = [_order(tree, n_prefix) for tree in trees]
    length = rounded(max(len(order) for order in orders))
    ids = np.full((len(trees), length), pad_id)
    positions = np.zeros_like(ids)
    sees = np.zeros((len(trees), 1, length, n_prefix + length), dtype=bool)
    sees[..., :n_prefix] = True
    sees[..., n_prefix:] |= np.eye(length, dtype=bool)  # padding sees itself: a row that sees nothing is not a number
    for row, (tree, order) in enumerate(zip(trees, orders, strict=True)):
        start = length - len(order)
        ids[row, start:] = np.asarray(tree.ids)[order]
        positions[row, start:] = np.asarray(tree.depths())[order]
        sees[row, 0, start:, n_prefix + start :] = _ways(tree)[np.ix_(order, order)]
    asked = max(len(tree.asked()) for tree in trees)
    return TreeBatch(torch.from_numpy(ids), torch.from_numpy(positions), torch.from_numpy(sees), asked)


def _order(tree: TokenTree, n_prefix: int) -> list[int]:
    """The nodes behind the prefix, those that predict an answer last: their logits alone are wanted."""
    asked = tree.asked()
    return [*sorted(set(range(n_prefix, len(tree.ids))).difference(asked)), *asked]


def _ways(tree: TokenTree) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which nodes lie on the way to each, itself included: [n, n]."""
    ways = np.eye(len(tree.ids), dtype=bool)
    for node, parent in enumerate(tree.parents):
        if parent >= 0:
            ways[node] |= ways[parent]
    return ways
