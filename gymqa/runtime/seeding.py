"""Seeded random generator and hashes, alike on every platform (a file of its own: every package samples with it)."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import TypeVar

Item = TypeVar("Item")


def hash_key(*names: str | int) -> bytes:
    """A 16-byte hash of `names`, for a reproducible pseudo-random order."""
    return blake2b("\x1f".join(map(str, names)).encode(), digest_size=16).digest()


class SeededRandom:
    """A random generator seeded by `names` alone: BLAKE2b in counter mode."""

    def __init__(self, *names: str | int) -> None:
        self._words = self._stream(hash_key(*names))

    def below(self, n: int) -> int:
        """A uniform random integer in [0, n); the bias is n / 2^64."""
        return next(self._words) % n

    def shuffled(self, items: Sequence[Item]) -> Iterator[Item]:
        """Yield `items` in random order (Fisher-Yates shuffle, lazily)."""
        pool = list(items)
        for left in range(len(pool), 0, -1):
            index = self.below(left)
            pool[index], pool[left - 1] = pool[left - 1], pool[index]
            yield pool[left - 1]

    def weighted(self, weights: Mapping[Item, float]) -> Item:
        """One of the keys, drawn with probability proportional to its weight."""
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
