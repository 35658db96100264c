"""Pairs of models: which are told apart, a sentence and a table per benchmark, and ties at the top of a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eval.leaderboard.schema import Row, label_of
from eval.stats.comparison import LEVEL

SHOWN = 50  # rows of a benchmark's table; leaderboard.json has every pair
_NAMED = 3  # models named in a tile


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models on one benchmark, the better one first; the difference with its 95 % interval, and p after Holm."""

    first: str
    second: str
    difference: float
    low: float
    high: float
    p: float

    @property
    def apart(self) -> bool:
        """Whether the two are told apart."""
        return self.p < LEVEL


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs of one benchmark, the largest difference first, and a sentence on them."""

    benchmark: str
    pairs: tuple[Pair, ...]
    says: str


def pairs_of(comparisons: Sequence[Mapping[str, Any]]) -> list[Pairs]:
    """The pairs of each benchmark, from `Analyses.comparisons`."""
    found: dict[str, list[Pair]] = {}
    for one in comparisons:
        found.setdefault(one["benchmark"], []).append(_pair(one))
    return [_described(name, sorted(pairs, key=lambda pair: -pair.difference)) for name, pairs in found.items()]


def _pair(one: Mapping[str, Any]) -> Pair:
    ends = (one["difference"], one["ci_low"], one["ci_high"])
    if one["difference"] >= 0:
        return Pair(one["first"], one["second"], *ends, one["p_holm"])
    value, low, high = (-end for end in ends)
    return Pair(one["second"], one["first"], value, high, low, one["p_holm"])


def _described(benchmark: str, pairs: Sequence[Pair]) -> Pairs:
    """The pairs with a sentence: how many are told apart, the closest of them, and the widest of the others."""
    apart, left = [one for one in pairs if one.apart], [one for one in pairs if not one.apart]
    if len(pairs) == 1:
        says = f"{_named(pairs[0])} is {'told apart' if apart else 'not told apart'}"
    elif not left:
        says = f"all {len(pairs)} pairs of models are told apart, the closest {_named(apart[-1])}"
    elif not apart:
        says = f"none of the {len(pairs)} pairs of models is told apart, not even {_named(left[0])}"
    else:
        says = (
            f"{len(apart)} of {len(pairs)} pairs of models are told apart, the closest {_named(apart[-1])}; "
            f"the widest left open is {_named(left[0])}"
        )
    return Pairs(benchmark, tuple(pairs), says)


def _named(pair: Pair) -> str:
    return f"{pair.first} before {pair.second} by {100 * pair.difference:.1f} points"


@dataclass(frozen=True, slots=True)
class Best:
    """The highest row of a column; `labels` are the models of its value, `near` those not told apart from them."""

    row: Row
    labels: tuple[str, ...]
    near: tuple[str, ...]

    @property
    def named(self) -> str:
        """The models that share the value, as text."""
        return listed(self.labels)


def best_of(rows: Sequence[Row], pairs: Sequence[Pair] = ()) -> Best | None:
    """The highest of one column's rows, each of another model; None without rows."""
    if not rows:
        return None
    top = max(rows, key=lambda row: row.value)
    labels = [label_of(row.model, row.encoder) for row in rows if row.value == top.value]
    near = dict.fromkeys(
        other
        for pair in pairs
        if not pair.apart
        for mine, other in ((pair.first, pair.second), (pair.second, pair.first))
        if mine in labels and other not in labels
    )
    return Best(top, tuple(labels), tuple(near))


def listed(names: Sequence[str]) -> str:
    """Names as text, the first few of many."""
    shown, more = names[:_NAMED], len(names) - _NAMED
    if more > 0:
        return f"{', '.join(shown)} and {more} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)
