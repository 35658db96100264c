"""Sub-settings: subsets of a setting's elements by event, by set, or as pairs of opposite directions (Gym-New).

Sources: FineGym (CVPR'20), section 4, elements "within an event" and "within a set"; SeFAR (AAAI'25), Gym-New.
Labels count up from 0 in the order of the setting they are taken from, as in SeFAR's released lists.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gymqa.errors import GymQAError
from gymqa.finegym.taxonomy import EVENTS, Element, Taxonomy

# The released Gym-New has 20 of Gym288's 29 direction pairs. The excluded ones, by the global label of the pair's
# first element: all of vault, three saltos of the floor, and the giant circle with half a turn.
NOT_IN_GYM_NEW = frozenset({20, 21, 22, 25, 29, 159, 163, 166, 413})


@dataclass(frozen=True, slots=True)
class SubSetting:
    """A subset of a setting's elements.

    Attributes:
        base: the setting they are taken from, if a release has it; otherwise the release's only one.
        what: description for listings.
        choose: selects the elements, in the order of their new labels.
    """

    base: str
    what: str
    choose: Callable[[Taxonomy], list[Element]]


def restrict(taxonomy: Taxonomy, name: str) -> Taxonomy:
    """Keep the elements of one of SUB_SETTINGS and relabel them from 0; names and global labels stay.

    Raises:
        GymQAError: the taxonomy has none of them.
    """
    chosen = SUB_SETTINGS[name].choose(taxonomy)
    if not chosen:
        raise GymQAError(f"{taxonomy.setting} has no element of the setting {name}; choose another setting")
    return Taxonomy(name, tuple(replace(one, label=label) for label, one in enumerate(chosen)), taxonomy.sets)


def _within_event(event: str) -> SubSetting:
    """The sub-setting of one event."""
    return SubSetting(
        "gym99", f"elements of {event}", lambda taxonomy: [one for one in taxonomy.elements if one.event == event]
    )


def _within_set(set_id: int, what: str) -> SubSetting:
    """The sub-setting of one set."""
    return SubSetting("gym99", what, lambda taxonomy: [one for one in taxonomy.elements if one.set_id == set_id])


def _direction_pairs(taxonomy: Taxonomy) -> list[Element]:
    """Pairs of elements that differ in direction only; a pair has labels 2k and 2k + 1."""
    pairs: list[Element] = []
    for element in taxonomy.elements:
        twin = taxonomy.twin(element.label)
        left_out = taxonomy.setting == "gym288" and element.glabel in NOT_IN_GYM_NEW
        if twin is not None and element.label < twin.label and not left_out:
            pairs += [element, twin]
    return pairs


SUB_SETTINGS = {
    **{event.lower(): _within_event(event) for event in EVENTS},
    "fx-s1": _within_set(21, "elements of FX's first set, leaps, jumps and hops"),
    "ub-s1": _within_set(41, "elements of UB's first set, circles"),
    "gym-new": SubSetting("gym288", "pairs of elements that differ in direction only", _direction_pairs),
}
