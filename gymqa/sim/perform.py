"""`perform` simulates any element by its family (own file: it joins the kinematics of all apparatus)."""

import numpy as np

from gymqa.sim.elements import SimElement
from gymqa.sim.motion import Motion
from gymqa.sim.on_bars import circle, dismount, release, transition
from gymqa.sim.on_ground import over_the_hands, through_the_air, turn_on_one_leg
from gymqa.sim.on_vault import vault
from gymqa.sim.skeleton import Build

MOVES = {
    "vault": vault, "salto": through_the_air, "leap": through_the_air, "dismount": through_the_air,
    "turn": turn_on_one_leg, "handspring": over_the_hands, "circle": circle, "release": release,
    "transition": transition, "bar dismount": dismount,
}  # fmt: skip


def perform(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Simulate an element by an athlete of `build`; timing, height and style are random."""
    return MOVES[element.family](element, build, rng)
