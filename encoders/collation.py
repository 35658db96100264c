"""Encoded conversations as one padded batch, every `<video>` opened to its visual tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from encoders.prompts import IGNORED, VIDEO_ID, EncodedChat

_ROUND = 8  # lengths are rounded up to it: every new shape costs a CPU the making of new kernels, in time and memory


@dataclass(frozen=True, slots=True)
class ChatBatch:
    """B conversations of at most T tokens; ids hold VIDEO_ID once for every visual token."""

    ids: Tensor  # [B, T]
    mask: Tensor  # [B, T] 1 on tokens, 0 on padding
    labels: Tensor  # [B, T] IGNORED outside the answers


def open_videos(chat: EncodedChat, n_visual: int) -> EncodedChat:
    """Repeat every VIDEO_ID of a conversation `n_visual` times."""
    ids: list[int] = []
    labels: list[int] = []
    for one, label in zip(chat.ids, chat.labels, strict=True):
        times = n_visual if one == VIDEO_ID else 1
        ids += [one] * times
        labels += [label] * times
    return EncodedChat(ids, labels)


def collate(chats: Sequence[EncodedChat], n_visual: int, pad_id: int, pad_left: bool = False) -> ChatBatch:
    """Open the videos and pad to the longest: on the right for training, on the left for scoring and generating."""
    opened = [open_videos(chat, n_visual) for chat in chats]
    longest = -(-max(len(chat.ids) for chat in opened) // _ROUND) * _ROUND

    def padded(rows: Sequence[list[int]], fill: int) -> Tensor:
        pads = [[fill] * (longest - len(row)) for row in rows]
        return torch.tensor([pad + row if pad_left else row + pad for pad, row in zip(pads, rows, strict=True)])

    return ChatBatch(
        ids=padded([chat.ids for chat in opened], pad_id),
        mask=padded([[1] * len(chat.ids) for chat in opened], 0),
        labels=padded([chat.labels for chat in opened], IGNORED),
    )


def length_buckets(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Indices in batches of like length, so that little is padding; every index once."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
