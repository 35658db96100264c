"""SimElement, an element with the parameters of its movement; FineGym's sets; the repertoire of 24 elements.

Sets have FineGym's ids and names (CVPR 2020, supplementary); element names follow its grammar. The labels are
GymSim's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Family = Literal[
    "salto", "vault", "leap", "turn", "handspring", "dismount", "circle", "release", "transition", "bar dismount"
]  # fmt: skip
Entry = Literal["", "handspring", "tsukahara", "round-off", "round-off, half turn"]
Shape = Literal[
    "tucked", "piked", "stretched", "split", "straddle", "wolf", "switch", "leap", "cartwheel",
    "below horizontal", "at horizontal", "upward", "tuck stand", "clear hip", "stalder", "sole",
]  # fmt: skip

SETS: dict[int, str] = {
    1: "vault",
    21: "FX_leap_jump_hop",
    22: "FX_turns",
    24: "FX_front_salto",
    25: "FX_back_salto",
    31: "BB_leap_jump_hop",
    32: "BB_turns",
    33: "BB_flight_salto",
    34: "BB_flight_handspring",
    35: "BB_dismounts",
    41: "UB_circles",
    42: "UB_flight_same_bar",
    43: "UB_transition_flight",
    44: "UB_dismounts",
}
EVENTS: tuple[str, ...] = ("VT", "FX", "BB", "UB")


@dataclass(frozen=True, slots=True)
class SimElement:
    """One element and the parameters of its movement.

    Attributes:
        set_id: FineGym's set id.
        name: name in FineGym's grammar, without the apparatus.
        family: type of movement, which selects the kinematics.
        direction: +1 forward, -1 backward, 0 if the element has no direction; for transitions +1 low to high bar.
        saltos: somersaults in the air.
        turns: full turns about the long axis (twist in the air, turn on a bar, in a jump or on one leg).
        shape: shape of body or legs in the air, of the free leg in a turn, of the body in a circle.
        step_out: whether the feet land one after the other.
        entry: on vault, how the gymnast gets onto the table.
    """

    set_id: int
    name: str
    family: Family
    direction: int = 0
    saltos: int = 0
    turns: float = 0.0
    shape: Shape = "stretched"
    step_out: bool = False
    entry: Entry = ""

    @property
    def event(self) -> str:
        """Apparatus of the element: VT, FX, BB or UB."""
        return "VT" if self.set_id == 1 else SETS[self.set_id][:2]


def sets_of(elements: Iterable[SimElement]) -> dict[int, str]:
    """Id -> name of the sets of these elements."""
    present = {element.set_id for element in elements}
    return {set_id: name for set_id, name in SETS.items() if set_id in present}


GYMSIM24: tuple[SimElement, ...] = (
    SimElement(1, "round-off, flic-flac on, tucked salto backward off", "vault", -1, 1, 0, "tucked", entry="round-off"),
    SimElement(
        1, "round-off, flic-flac on, stretched salto backward with 1 turn off", "vault", -1, 1, 1, entry="round-off"
    ),
    SimElement(1, "handspring forward on, tucked salto forward off", "vault", 1, 1, 0, "tucked", entry="handspring"),
    SimElement(
        1, "handspring forward on, stretched salto forward with 1 turn off", "vault", 1, 1, 1, entry="handspring"
    ),
    SimElement(21, "split jump", "leap", shape="split"),
    SimElement(21, "split jump with 1 turn", "leap", turns=1, shape="split"),
    SimElement(24, "salto forward tucked", "salto", 1, 1, 0, "tucked"),
    SimElement(24, "salto forward stretched", "salto", 1, 1),
    SimElement(24, "salto forward stretched with 1 twist", "salto", 1, 1, 1),
    SimElement(25, "salto backward tucked", "salto", -1, 1, 0, "tucked"),
    SimElement(25, "salto backward stretched", "salto", -1, 1),
    SimElement(25, "salto backward stretched with 1 twist", "salto", -1, 1, 1),
    SimElement(25, "double salto backward tucked", "salto", -1, 2, 0, "tucked"),
    SimElement(31, "split jump", "leap", shape="split"),
    SimElement(31, "straddle pike jump", "leap", shape="straddle"),
    SimElement(31, "wolf hop or jump", "leap", shape="wolf"),
    SimElement(33, "salto forward tucked", "salto", 1, 1, 0, "tucked"),
    SimElement(33, "salto backward tucked", "salto", -1, 1, 0, "tucked"),
    SimElement(33, "salto backward stretched-step out", "salto", -1, 1, step_out=True),
    SimElement(41, "giant circle backward", "circle", -1),
    SimElement(41, "giant circle backward with 1 turn to handstand", "circle", -1, turns=1),
    SimElement(41, "giant circle forward", "circle", 1),
    SimElement(43, "transition flight from high bar to low bar", "transition", -1),
    SimElement(43, "transition flight from low bar to high bar", "transition", 1),
)
