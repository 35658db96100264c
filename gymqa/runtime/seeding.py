"""Random choices that depend on named things only: not on what else is drawn, nor on the platform."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import TypeVar

Item = TypeVar("Item")


def hash_key(*names: str | int) -> bytes:
    """16 bytes that look random and depend on nothing but `names`; fit to sort by."""
    return blake2b("\x1f".join(map(str, names)).encode(), digest_size=16).digest()


class Draws:
    """A stream of draws seeded by `names`: BLAKE2b in counter mode."""

    def __init__(self, *names: str | int) -> None:
        self._words = self._stream(hash_key(*names))

    def below(self, n: int) -> int:
        """A whole number in [0, n); its bias is n / 2^64."""
        return next(self._words) % n

    def shuffled(self, items: Sequence[Item]) -> Iterator[Item]:
        """`items` in random order, each drawn when asked for (Fisher and Yates)."""
        pool = list(items)
        for left in range(len(pool), 0, -1):
            place = self.below(left)
            pool[place], pool[left - 1] = pool[left - 1], pool[place]
            yield pool[left - 1]

    def weighted(self, weights: Mapping[Item, float]) -> Item:
        """One of the keys, as often as its weight is of their sum."""
        reached = list(accumulate(weights.values()))
        return list(weights)[bisect_right(reached, self.below(1 << 32) / (1 << 32) * reached[-1])]

    @staticmethod
    def _stream(key: bytes) -> Iterator[int]:
        block = 0
        while True:
            digest = blake2b(block.to_bytes(8, "little"), key=key).digest()
            for start in range(0, len(digest), 8):
                yield int.from_bytes(digest[start : start + 8], "little")
            block += 1
