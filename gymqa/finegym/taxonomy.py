"""FineGym's taxonomy (event > set > element): read category lists; look up elements by name, set, event, direction.

Source: FineGym (CVPR'20) and its released `*_categories.txt`, `*glabel_to_Qtree.json`.
"""

import difflib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.decision_trees import TREE_FILES, Attribute, differing_decision, read_decision_trees
from gymqa.io.text import read_lines

EVENTS = ("VT", "FX", "BB", "UB")
SET_LINE = re.compile(r"set:\s*(\d{1,9});\s*(\S+)", re.ASCII)
ELEMENT_LINE = re.compile(
    r"Clabel:\s*(\d{1,9});\s*set:\s*(\d{1,9});\s*Glabel:\s*(\d{1,9});\s*\((\w+)\)\s*(\S.*)", re.ASCII
)
GLOBAL_LINE = re.compile(r"Glabel:\s*(\d{1,9});\s*set:\s*(\d{1,9});\s*\((\w+)\)\s*(\S.*)", re.ASCII)

# Phrases of a name that are exchanged for the same element in the opposite direction. On vault the entry changes as
# well: a vault with a backward salto is entered by a round-off, one with a forward salto by a handspring.
OPPOSITES = {
    "forward": "backward",
    "from high bar to low bar": "from low bar to high bar",
    "round-off, flic-flac on": "handspring forward on",
}
_OPPOSITE = {**OPPOSITES, **{second: first for first, second in OPPOSITES.items()}}
# The leftmost phrase matches first, so that "handspring forward on" is exchanged as a whole, not by its "forward".
_SET_DIRECTION = re.compile(r"_(front|back)")
_DIRECTION = re.compile(r"\b(" + "|".join(_OPPOSITE) + r")\b")


@dataclass(frozen=True, slots=True)
class Set:
    """A group of similar elements of one event, such as 25, `FX_back_salto`."""

    id: int
    name: str
    event: str


@dataclass(frozen=True, slots=True)
class Element:
    """One class: `label` in its setting, `glabel` in the list of 530.

    `name` is FineGym's without the apparatus, white space collapsed; the 99 classes have 89 distinct names.
    `display_name` is unique in the setting: a name used in two events is prefixed with its event, "(BB) …", one used in
    two sets of an event with its set, "(BB dismounts) …". `attributes` are the decisions of its tree, root first;
    `code` is the element's number in FIG's Code of Points.
    """

    label: int
    glabel: int
    set_id: int
    event: str
    name: str
    display_name: str
    attributes: tuple[Attribute, ...]
    code: str = ""


@dataclass(frozen=True)
class Taxonomy:
    """The elements of one setting, `elements[label]`, and the sets of the release."""

    setting: str
    elements: tuple[Element, ...]
    sets: tuple[Set, ...]
    _by_name: dict[str, list[Element]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[Element]] = defaultdict(list)
        for element in self.elements:
            for name in {element.name, element.display_name, f"({element.event}) {element.name}"}:
                by_name[name.casefold()].append(element)
        object.__setattr__(self, "_by_name", dict(by_name))

    def __len__(self) -> int:
        return len(self.elements)

    def named(self, name: str) -> list[Element]:
        """All elements of this name (plain, with event, or display name); case and white space are ignored."""
        return self._by_name.get(_collapse(name).casefold(), [])

    def find(self, name: str) -> Element:
        """The element of this name.

        Raises:
            GymQAError: there is no such element (the message gives the closest names), or several share the name.
        """
        found = self.named(name)
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(repr(element.display_name) for element in found)
            raise GymQAError(f"{name!r} names {len(found)} elements of {self.setting}; write one of {names}")
        known = [element.display_name for element in self.elements]
        close = difflib.get_close_matches(_collapse(name), known, n=3, cutoff=0.4)
        mend = f"did you mean {', '.join(map(repr, close))}?" if close else "see the setting's category list"
        raise GymQAError(f"{self.setting} has no element {name!r}; {mend}")

    def same_set(self, label: int) -> list[Element]:
        """The other elements of the element's set, by label."""
        return [element for element in self._by_set[self.elements[label].set_id] if element.label != label]

    def same_event(self, label: int) -> list[Element]:
        """The other elements of the element's event, by label."""
        return [element for element in self._by_event[self.elements[label].event] if element.label != label]

    def one_decision_apart(self, label: int) -> dict[int, str]:
        """Labels of the elements of its set that differ from it in exactly one decision -> the question of it.

        See `gymqa.finegym.decision_trees.differing_decision`; empty without decision trees.
        """
        if label not in self._apart:
            own = self.elements[label].attributes
            found = {other.label: differing_decision(own, other.attributes) for other in self.same_set(label)}
            self._apart[label] = {other: question for other, question in found.items() if question is not None}
        return self._apart[label]

    def twin(self, label: int) -> Element | None:
        """The direction twin: the element that differs in direction only, if any; twins are each other's twin.

        It is of the same event, and of the same set unless the sets are those of the two directions (FX_front_salto,
        FX_back_salto): a salto on the beam is not the twin of a dismount from it.
        """
        return self._twins.get(label)

    @cached_property
    def _apart(self) -> dict[int, dict[int, str]]:
        return {}

    @cached_property
    def _by_set(self) -> dict[int, list[Element]]:
        return _group(self.elements, "set_id")

    @cached_property
    def _by_event(self) -> dict[str, list[Element]]:
        return _group(self.elements, "event")

    @cached_property
    def _twins(self) -> dict[int, Element]:
        set_kinds = {group.id: _SET_DIRECTION.sub("", group.name) for group in self.sets}
        by_name = {(set_kinds[element.set_id], element.name): element for element in self.elements}
        renamed = ((element, opposite_direction(element.name)) for element in self.elements)
        return {
            element.label: by_name[set_kinds[element.set_id], name]
            for element, name in renamed
            if name != element.name and (set_kinds[element.set_id], name) in by_name
        }


def opposite_direction(name: str) -> str:
    """The name of the same element in the opposite direction; the name itself if it states no direction.

    Every direction in the name is exchanged: "(swing forward) double salto backward tucked" becomes
    "(swing backward) double salto forward tucked". Applied twice it returns the name.
    """
    return _DIRECTION.sub(lambda match: _OPPOSITE[match[0]], name)


def read_taxonomy(annotations: Path, setting: str) -> Taxonomy:
    """Read `{setting}_categories.txt`, `set_categories.txt` and the decision trees of an annotations folder.

    Without a decision-tree file the elements have no attributes.

    Raises:
        GymQAError: a file is missing, or a line (named as file:line) is malformed.
    """
    sets = _read_sets(annotations / "set_categories.txt")
    tree_file = next((annotations / name for name in TREE_FILES if (annotations / name).is_file()), None)
    trees_by_glabel = read_decision_trees(tree_file) if tree_file else None
    path = annotations / f"{setting}_categories.txt"
    elements: list[Element] = []
    seen: set[int | tuple[int, str]] = set()
    for where, line in read_lines(path):
        label, set_id, glabel, event, name = _read_element(line, where)
        if label != len(elements):
            raise GymQAError(f"{where}: label {label} where {len(elements)} is next; labels count up from 0")
        if set_id not in sets or sets[set_id].event != event:
            raise GymQAError(f"{where}: set {set_id} is not a set of {event}; see {annotations / 'set_categories.txt'}")
        if trees_by_glabel is not None and glabel not in trees_by_glabel:
            raise GymQAError(
                f"{where}: {tree_file} has no decision tree for Glabel {glabel}; take both from one release"
            )
        if (set_id, name) in seen:
            raise GymQAError(f"{where}: set {set_id} has two elements {name!r}; give them names that differ")
        if glabel in seen:
            raise GymQAError(f"{where}: Glabel {glabel} is listed a second time; remove one of its lines")
        seen |= {(set_id, name), glabel}
        decisions, code = (
            (trees_by_glabel[glabel].decisions, trees_by_glabel[glabel].code)
            if trees_by_glabel is not None
            else ((), "")
        )
        elements.append(Element(label, glabel, set_id, event, name, name, decisions, code))
    if not elements:
        raise GymQAError(f"{path} lists no element; take the category list from the release again")
    return Taxonomy(setting, _with_display_names(elements, sets), tuple(sets.values()))


def _read_sets(path: Path) -> dict[int, Set]:
    sets = {}
    for where, line in read_lines(path):
        match = SET_LINE.fullmatch(line)
        if match is None:
            raise GymQAError(f"{where}: {line!r} is not `set: <id>; <name>`")
        event = "VT" if match[2] == "vault" else match[2].split("_")[0]
        if event not in EVENTS:
            raise GymQAError(f"{where}: {match[2]} names no event; start the set's name with {', '.join(EVENTS)}")
        if int(match[1]) in sets:
            raise GymQAError(f"{where}: set {int(match[1])} is listed a second time; remove one of its lines")
        sets[int(match[1])] = Set(int(match[1]), match[2], event)
    return sets


def _read_element(line: str, where: str) -> tuple[int, int, int, str, str]:
    """The line's label, set, global label, event and name; in the list of 530 the label is the global label."""
    if match := ELEMENT_LINE.fullmatch(line):
        label, set_id, glabel, event, name = match.groups()
        return int(label), int(set_id), int(glabel), event, _collapse(name)
    if match := GLOBAL_LINE.fullmatch(line):
        glabel, set_id, event, name = match.groups()
        return int(glabel), int(set_id), int(glabel), event, _collapse(name)
    raise GymQAError(f"{where}: {line!r} is not `Clabel: <label>; set: <id>; Glabel: <global label>; (<event>) <name>`")


def _with_display_names(elements: list[Element], sets: dict[int, Set]) -> tuple[Element, ...]:
    names = Counter(element.name for element in elements)
    in_event = Counter((element.event, element.name) for element in elements)
    named: dict[str, Element] = {}
    for element in elements:
        shared = in_event[element.event, element.name] > 1
        where = sets[element.set_id].name.replace("_", " ") if shared else element.event
        shown = f"({where}) {element.name}" if names[element.name] > 1 else element.name
        if shown in named:
            raise GymQAError(f"set {element.set_id} has two elements {element.name!r}; give them names that differ")
        named[shown] = replace(element, display_name=shown)
    return tuple(named.values())


def _group(elements: tuple[Element, ...], by: str) -> dict[Any, list[Element]]:
    groups: dict[Any, list[Element]] = defaultdict(list)
    for element in elements:
        groups[getattr(element, by)].append(element)
    return dict(groups)


def _collapse(text: str) -> str:
    return " ".join(text.split())
