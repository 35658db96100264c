"""Repertoire, the elements of one GymSim setting: 24 or 99 (a file of its own: it joins both lists and their trees)."""

from dataclasses import dataclass
from functools import cached_property

from gymqa.sim.elements import GYMSIM24, SimElement, sets_of
from gymqa.sim.elements_99 import GYMSIM99
from gymqa.sim.trees import decisions

DEMO = "gymsim24"


@dataclass(frozen=True)
class Repertoire:
    """The elements of one setting; an element's label is its index.

    Attributes:
        name: name of the setting.
        elements: elements in the order of their labels.
        routines: whether competitions consist of routines with transitions and replays; if False, every element is
            performed once per competition.
    """

    name: str
    elements: tuple[SimElement, ...]
    routines: bool

    @cached_property
    def sets(self) -> dict[int, str]:
        """Id -> name of the sets of its elements."""
        return sets_of(self.elements)

    def labels(self, event: str) -> list[int]:
        """Labels of the elements of an event."""
        return [label for label, element in enumerate(self.elements) if element.event == event]

    def decisions(self, label: int) -> list[tuple[str, bool]]:
        """The element's decisions in its set's tree: (question, answer), root first."""
        return decisions(self.elements[label], self.elements)


REPERTOIRES = {
    one.name: one for one in (Repertoire(DEMO, GYMSIM24, routines=False), Repertoire("gymsim99", GYMSIM99, True))
}
