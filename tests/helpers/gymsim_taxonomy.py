"""GymSim's 24 elements as a taxonomy, and made-up clips of them, for tests that need no video."""

from collections import Counter

from gymqa.finegym.annotations import Clip
from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import Element, Set, Taxonomy
from gymqa.sim.repertoire import DEMO, REPERTOIRES


def gymsim() -> Taxonomy:
    """GymSim's taxonomy as a release of it would give, without one."""
    performed = REPERTOIRES[DEMO]
    shared = Counter(one.name for one in performed.elements)
    elements = [
        Element(
            i, i, one.set_id, one.event, one.name, f"({one.event}) {one.name}" if shared[one.name] > 1 else one.name,
            tuple(Attribute(question, value) for question, value in performed.decisions(i)),
        )
        for i, one in enumerate(performed.elements)
    ]  # fmt: skip
    sets = tuple(Set(id, name, "VT" if name == "vault" else name[:2]) for id, name in performed.sets.items())
    return Taxonomy(DEMO, tuple(elements), sets)


GYMSIM = gymsim()


def clip(label: int, number: int = 0, video: str = "v") -> Clip:
    """A clip of the element `label`; `number` and `video` tell it from others."""
    return Clip(f"{video}_E_{number:06}_000001_A_{label:04}_0002", video, label)


def tree_of(*leaves: str) -> Taxonomy:
    """One set of elements, each named by its decisions: "a+ b-" answers a? by yes and b? by no."""
    rows = [tuple(Attribute(f"{word[0]}?", word[1] == "+") for word in leaf.split()) for leaf in leaves]
    elements = tuple(Element(i, i, 25, "FX", leaves[i], leaves[i], row) for i, row in enumerate(rows))
    return Taxonomy("tree", elements, (Set(25, "FX", "FX"),))
