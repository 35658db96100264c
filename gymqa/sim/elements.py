"""The elements GymSim performs: FineGym's grammar for names, the movement behind each, and its decision tree.

Sets keep FineGym's ids and names (CVPR 2020, supplementary); the element names follow its grammar. The labels and
decision trees are GymSim's own.
"""

from dataclasses import dataclass
from typing import Literal

Family = Literal["salto", "vault", "leap", "giant", "transition"]
Shape = Literal["tucked", "stretched", "split", "straddle", "wolf"]

SETS: dict[int, str] = {
    1: "vault",
    21: "FX_leap_jump_hop",
    24: "FX_front_salto",
    25: "FX_back_salto",
    31: "BB_leap_jump_hop",
    33: "BB_flight_salto",
    41: "UB_circles",
    43: "UB_transition_flight",
}
EVENT_OF_SET: dict[int, str] = {1: "VT", 21: "FX", 24: "FX", 25: "FX", 31: "BB", 33: "BB", 41: "UB", 43: "UB"}
EVENTS: tuple[str, ...] = ("VT", "FX", "BB", "UB")


@dataclass(frozen=True, slots=True)
class SimElement:
    """One element and the movement that shows it.

    Attributes:
        set_id: FineGym's set id.
        name: name in FineGym's grammar, without the apparatus.
        family: which kinematics move the body.
        direction: +1 forward, -1 backward, 0 where the element has no direction; for transitions +1 low to high bar.
        saltos: somersaults in the air.
        turns: full turns about the long axis (twist in the air, turn on a bar or in a jump).
        shape: body or leg shape.
        step_out: the feet land one after the other.
    """

    set_id: int
    name: str
    family: Family
    direction: int = 0
    saltos: int = 0
    turns: float = 0.0
    shape: Shape = "stretched"
    step_out: bool = False

    @property
    def event(self) -> str:
        """Apparatus of the element: VT, FX, BB or UB."""
        return EVENT_OF_SET[self.set_id]


ELEMENTS: tuple[SimElement, ...] = (
    SimElement(1, "round-off, flic-flac on, tucked salto backward off", "vault", -1, 1, 0.0, "tucked"),
    SimElement(1, "round-off, flic-flac on, stretched salto backward with 1 turn off", "vault", -1, 1, 1.0),
    SimElement(1, "handspring forward on, tucked salto forward off", "vault", 1, 1, 0.0, "tucked"),
    SimElement(1, "handspring forward on, stretched salto forward with 1 turn off", "vault", 1, 1, 1.0),
    SimElement(21, "split jump", "leap", shape="split"),
    SimElement(21, "split jump with 1 turn", "leap", turns=1.0, shape="split"),
    SimElement(24, "salto forward tucked", "salto", 1, 1, 0.0, "tucked"),
    SimElement(24, "salto forward stretched", "salto", 1, 1, 0.0),
    SimElement(24, "salto forward stretched with 1 twist", "salto", 1, 1, 1.0),
    SimElement(25, "salto backward tucked", "salto", -1, 1, 0.0, "tucked"),
    SimElement(25, "salto backward stretched", "salto", -1, 1, 0.0),
    SimElement(25, "salto backward stretched with 1 twist", "salto", -1, 1, 1.0),
    SimElement(25, "double salto backward tucked", "salto", -1, 2, 0.0, "tucked"),
    SimElement(31, "split jump", "leap", shape="split"),
    SimElement(31, "straddle pike jump", "leap", shape="straddle"),
    SimElement(31, "wolf hop or jump", "leap", shape="wolf"),
    SimElement(33, "salto forward tucked", "salto", 1, 1, 0.0, "tucked"),
    SimElement(33, "salto backward tucked", "salto", -1, 1, 0.0, "tucked"),
    SimElement(33, "salto backward stretched-step out", "salto", -1, 1, 0.0, step_out=True),
    SimElement(41, "giant circle backward", "giant", -1),
    SimElement(41, "giant circle backward with 1 turn to handstand", "giant", -1, turns=1.0),
    SimElement(41, "giant circle forward", "giant", 1),
    SimElement(43, "transition flight from high bar to low bar", "transition", -1),
    SimElement(43, "transition flight from low bar to high bar", "transition", 1),
)


def decisions(element: SimElement) -> list[tuple[str, bool]]:
    """Yes/no questions of the element's decision tree in asking order, with their answers.

    Elements of one set ask the same questions, and the answers tell any two of them apart.
    """
    if element.set_id == 1:
        return [
            ("round-off onto the springboard?", element.direction < 0),
            ("body tucked during salto?", element.shape == "tucked"),
            ("salto with turn?", element.turns > 0),
        ]
    if element.family == "salto":
        asked = [("salto backward?", element.direction < 0), ("body tucked?", element.shape == "tucked")]
        if element.set_id == 33:
            return [*asked, ("feet land successively?", element.step_out)]
        return [*asked, ("double salto?", element.saltos == 2), ("salto with 1 twist?", element.turns == 1)]
    if element.family == "leap":
        return [
            ("legs in split position?", element.shape == "split"),
            ("knees together, one leg straight?", element.shape == "wolf"),
            ("jump with 1 turn?", element.turns == 1),
        ]
    if element.family == "giant":
        return [("circle backward?", element.direction < 0), ("with 1 turn to handstand?", element.turns == 1)]
    return [("from high bar to low bar?", element.direction < 0)]
