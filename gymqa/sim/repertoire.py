"""Which elements a release performs: the demo's 24, or all 99."""

from dataclasses import dataclass
from functools import cached_property

from gymqa.sim.elements import GYMSIM24, SimElement, sets_of
from gymqa.sim.elements_99 import GYMSIM99
from gymqa.sim.trees import decisions

DEMO = "gymsim24"


@dataclass(frozen=True)
class Repertoire:
    """The elements of one setting; an element's label is its place.

    Attributes:
        name: the setting's name.
        elements: by label.
        routines: perform routines of some elements each, with transitions and replays between them; False performs
            every element once a competition.
    """

    name: str
    elements: tuple[SimElement, ...]
    routines: bool

    @cached_property
    def sets(self) -> dict[int, str]:
        """Ids and names of the sets that have an element here."""
        return sets_of(self.elements)

    def labels(self, event: str) -> list[int]:
        """Labels of the elements of an apparatus."""
        return [label for label, element in enumerate(self.elements) if element.event == event]

    def decisions(self, label: int) -> list[tuple[str, bool]]:
        """The element's way through its set's decision tree: questions and answers, root first."""
        return decisions(self.elements[label], self.elements)


REPERTOIRES = {
    one.name: one for one in (Repertoire(DEMO, GYMSIM24, routines=False), Repertoire("gymsim99", GYMSIM99, True))
}
