"""Which choices are read in one pass: rows of one clip each, so that its video and its questions are read once."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")
_ROW = 2000  # characters of a row: attention costs a row's length squared, and more would share little more


class Asked(NamedTuple):
    """One choice: how likely is `answer` after `text`? The clip is "" for a model that sees none."""

    clip_id: str
    text: str
    answer: str


def passes(asked: Sequence[Asked], limit: int) -> Iterator[list[list[Asked]]]:
    """Passes of rows of like length, every choice once; a pass holds at most `limit` choices."""
    rows = []
    for _, of_clip in groupby(sorted(asked, key=_prompt), key=lambda one: one.clip_id):
        parts = []  # choices of one question, which stay together where they can
        for _, same in groupby(of_clip, key=_prompt):
            parts += list(_packed(list(same), (lambda one: len(one.answer), _ROW), (lambda one: 1, limit)))
        for together in _packed(parts, (_characters, _ROW), (len, limit)):
            rows.append([one for part in together for one in part])
    rows.sort(key=_characters)
    yield from _packed(rows, (len, limit))


def _packed(items: Sequence[Item], *limits: tuple[Callable[[Item], int], int]) -> Iterator[list[Item]]:
    """Consecutive items together, as many as keep every sum within its limit; an item alone may exceed it."""
    together: list[Item] = []
    sums = [0] * len(limits)
    for item in items:
        costs = [cost(item) for cost, _ in limits]
        sums = [sum_ + cost for sum_, cost in zip(sums, costs, strict=True)]
        if together and any(sum_ > limit for sum_, (_, limit) in zip(sums, limits, strict=True)):
            yield together
            together, sums = [], costs
        together.append(item)
    if together:
        yield together


def _prompt(one: Asked) -> tuple[str, str]:
    return one.clip_id, one.text


def _characters(row: Sequence[Asked]) -> int:
    """Characters that a row's choices add to the video."""
    return sum(map(len, {one.text for one in row})) + sum(len(one.answer) for one in row)
