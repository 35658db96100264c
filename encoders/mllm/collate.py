"""Collation of encoded conversations: visual token slots, padding, shared prefix, length buckets."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from encoders.mllm.prompts import IGNORED, VIDEO_ID, EncodedChat

_ROUND = 8  # lengths are rounded up to its multiples: on a CPU every new shape costs time and memory for new kernels


@dataclass(frozen=True, slots=True)
class ChatBatch:
    """B conversations of at most P + T tokens; ids hold VIDEO_ID once for every visual token.

    A common prefix of P tokens (at least the system sentence) may be separate, to be encoded once.
    """

    prefix: Tensor  # [P] may be empty
    ids: Tensor  # [B, T]
    mask: Tensor  # [B, T] 1 on tokens, 0 on padding
    labels: Tensor  # [B, T] IGNORED outside the answers

    def to(self, device: torch.device) -> "ChatBatch":
        """The same batch on `device`."""
        return ChatBatch(*(one.to(device) for one in (self.prefix, self.ids, self.mask, self.labels)))


def rounded(length: int, multiple: int = _ROUND) -> int:
    """`length` rounded up to a multiple; the difference is padding."""
    return -(-length // multiple) * multiple


def open_videos(chat: EncodedChat, n_visual: int) -> EncodedChat:
    """Repeat every VIDEO_ID of a conversation `n_visual` times."""
    ids: list[int] = []
    labels: list[int] = []
    for one, label in zip(chat.ids, chat.labels, strict=True):
        times = n_visual if one == VIDEO_ID else 1
        ids += [one] * times
        labels += [label] * times
    return EncodedChat(ids, labels)


def collate(
    chats: Sequence[EncodedChat], n_visual: int, pad_id: int, pad_left: bool = False, share_prefix: bool = False
) -> ChatBatch:
    """Open the videos and pad to the longest: on the right for training, on the left for scoring and generating.

    With `share_prefix` the common prefix is separate; otherwise the prefix is empty.
    """
    opened = [open_videos(chat, n_visual) for chat in chats]
    shared = _shared_prefix(opened) if share_prefix else 0
    prefix = opened[0].ids[:shared]
    opened = [EncodedChat(chat.ids[shared:], chat.labels[shared:]) for chat in opened]
    longest = rounded(max(len(chat.ids) for chat in opened))

    def padded(rows: Sequence[list[int]], fill: int) -> Tensor:
        pads = [[fill] * (longest - len(row)) for row in rows]
        return torch.tensor([pad + row if pad_left else row + pad for pad, row in zip(pads, rows, strict=True)])

    return ChatBatch(
        prefix=torch.tensor(prefix, dtype=torch.long),
        ids=padded([chat.ids for chat in opened], pad_id),
        mask=padded([[1] * len(chat.ids) for chat in opened], 0),
        labels=padded([chat.labels for chat in opened], IGNORED),
    )


def _shared_prefix(chats: Sequence[EncodedChat]) -> int:
    """Length of the common prefix of several conversations.

    It ends before videos, answers, the token before an answer (which predicts it) and the last token.
    """
    if len(chats) == 1:
        return 0
    for index, column in enumerate(zip(*(chat.ids[:-1] for chat in chats), strict=False)):
        if len(set(column)) > 1 or column[0] == VIDEO_ID or any(chat.labels[index + 1] != IGNORED for chat in chats):
            return index
    return min(len(chat.ids) for chat in chats) - 1


def length_buckets(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Batches of indices of similar length, to reduce padding; every index once."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
