"""Grammar of move names in FineGym's style: the product of entries, directions, shapes and turns of each family.

Nothing is copied from an annotation file: the product covers the names of GymSim and many that no gymnast has shown,
so that a language model has to read names instead of memorising them.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

Facts = tuple[tuple[str, str], ...]

# With this salt every element that GymSim shows lies on the training side; see `is_held_out`.
HELD_OUT_SALT = "tiny-vicuna-4"
HELD_OUT_ONE_IN = 10

ENTRIES = {
    "round-off, flic-flac on": "round-off",
    "round-off, flic-flac with 0.5 turn on": "round-off with half turn",
    "round-off, flic-flac with 1 turn on": "round-off with full turn",
    "handspring forward on": "handspring",
    "tsukahara on": "tsukahara",
}
LEGS = {
    "split leap": "split",
    "split jump": "split",
    "switch leap": "switch",
    "straddle pike jump": "straddle",
    "wolf hop or jump": "wolf",
    "tuck hop or jump": "tuck",
    "pike jump": "pike",
    "stretched hop or jump": "straight",
    "cat leap": "cat",
    "stag jump": "stag",
    "sheep jump": "sheep",
    "ring jump": "ring",
    "johnson": "johnson",
    "sissone": "sissone",
}
SPINS = {
    "on one leg": "free leg low",
    "in tuck stand on one leg": "crouched",
    "with free leg held upward in 180 split position": "leg held up",
    "with heel of free leg forward at horizontal": "heel forward",
    "in back attitude": "leg bent behind",
}
CIRCLES = {
    "giant circle": "giant",
    "clear hip circle": "clear hip",
    "pike sole circle": "pike sole",
    "clear pike circle": "clear pike",
    "stalder": "stalder",
}


@dataclass(frozen=True, slots=True)
class Move:
    """One element: apparatus (VT FX BB UB), family (a FineGym set), name, and visible facts."""

    event: str
    family: str
    name: str
    facts: Facts

    @property
    def display_name(self) -> str:
        """The name with its apparatus in front, as FineGym's category files write it."""
        return f"({self.event}) {self.name}"


def _with(amount: str, noun: str) -> str:
    return "" if amount == "0" else f" with {amount} {noun}"


def _vaults() -> Iterator[Move]:
    for entry, shape, direction, turn, count in product(
        ENTRIES, ("tucked", "piked", "stretched"), ("forward", "backward"), ("0", "0.5", "1", "1.5", "2"), ("1", "2")
    ):
        salto = "double salto" if count == "2" else "salto"
        facts = (
            ("kind", "vault"), ("entry", ENTRIES[entry]), ("shape", shape), ("direction", direction),
            ("turn", turn), ("count", count),
        )  # fmt: skip
        yield Move("VT", "vault", f"{entry}, {shape} {salto} {direction}{_with(turn, 'turn')} off", facts)


def _saltos(event: str, family: str, noun: str, directions: tuple[str, ...], shapes: tuple[str, ...]) -> Iterator[Move]:
    amounts = ("0", "0.5", "1", "1.5", "2", "2.5", "3")
    for count, direction, shape, turn, gainer in product(("1", "2"), directions, shapes, amounts, (False, True)):
        if gainer and (event != "BB" or direction == "forward" or count == "2"):
            continue
        name = f"{'gainer ' * gainer}{'double ' * (count == '2')}salto {direction} {shape}{_with(turn, noun)}"
        facts = [("kind", "salto"), ("direction", direction), ("shape", shape), ("turn", turn), ("count", count)]
        if gainer:
            facts.append(("entry", "gainer"))
        yield Move(event, family, name, tuple(facts))


def _leaps(event: str) -> Iterator[Move]:
    for leap, turn, ring in product(LEGS, ("0", "0.5", "1", "1.5", "2"), (False, True)):
        if ring and leap not in ("split leap", "split jump", "switch leap", "stag jump"):
            continue
        take_off = "two feet" if "jump" in leap else "one foot"
        facts = [("kind", "leap"), ("legs", LEGS[leap]), ("take-off", take_off), ("turn", turn)]
        if ring:
            facts.append(("finish", "ring"))
        yield Move(event, "leap", f"{leap}{_with(turn, 'turn')}{' to ring position' * ring}", tuple(facts))


def _spins(event: str) -> Iterator[Move]:
    for spin, turn in product(SPINS, ("0.5", "1", "1.5", "2", "2.5", "3", "4")):
        facts = (("kind", "spin"), ("legs", SPINS[spin]), ("turn", turn))
        yield Move(event, "spin", f"{turn} turn {spin}", facts)


def _circles() -> Iterator[Move]:
    turns = ("0", "0.5", "1", "1.5")
    for circle, direction, turn, to_handstand in product(CIRCLES, ("forward", "backward"), turns, (False, True)):
        facts = [("kind", "circle"), ("legs", CIRCLES[circle]), ("direction", direction), ("turn", turn)]
        if to_handstand:
            facts.append(("finish", "handstand"))
        name = f"{circle} {direction}{_with(turn, 'turn')}{' to handstand' * to_handstand}"
        yield Move("UB", "circle", name, tuple(facts))


def _flights() -> Iterator[Move]:
    for start, end, turn in product(("high", "low"), ("high", "low"), ("0", "0.5", "1")):
        if start != end:
            facts = (("kind", "transition"), ("start", start), ("end", end), ("turn", turn))
            name = f"transition flight from {start} bar to {end} bar{_with(turn, 'turn')}"
            yield Move("UB", "flight", name, facts)
    shapes = ("straddled", "piked", "tucked", "stretched")
    for direction, shape, turn in product(("forward", "backward"), shapes, ("0", "0.5", "1")):
        facts = (("kind", "release"), ("direction", direction), ("shape", shape), ("turn", turn))
        name = f"salto {direction} {shape}{_with(turn, 'turn')} to hang on high bar"
        yield Move("UB", "flight", name, facts)


@cache
def all_moves() -> tuple[Move, ...]:
    """Every move of the grammar, in a fixed order."""
    plain = ("tucked", "piked", "stretched")
    beam = (*plain, "stretched-step out")
    both = ("forward", "backward")
    return (
        *_vaults(),
        *_leaps("FX"), *_spins("FX"),
        *_saltos("FX", "front salto", "twist", ("forward", "sideward"), plain),
        *_saltos("FX", "back salto", "twist", ("backward",), plain),
        *_leaps("BB"), *_spins("BB"), *_saltos("BB", "flight salto", "twist", (*both, "sideward"), beam),
        *_circles(), *_flights(), *_saltos("UB", "dismount", "turn", both, plain),
    )  # fmt: skip


def is_held_out(move: Move) -> bool:
    """Whether `move` is held out of training (one in ten, by a hash of apparatus and name)."""
    text = f"{HELD_OUT_SALT}|{move.display_name}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % HELD_OUT_ONE_IN == 0
