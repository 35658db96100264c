"""Matplotlib's SVG made small enough to stand in a page, and free of styles.

What it writes as style sheets and style attributes becomes plain attributes, for the page's content security policy
allows no style but its own; what repeats is said once.
"""

import re
from itertools import groupby
from xml.etree.ElementTree import Element

_DROPPED = ("id", "clip-path", "font-family", "version")
_OWN = ("d", "x", "y")  # what marks of one look differ in


def make_plain(element: Element) -> None:
    """Take name spaces from names, and style sheets and clipping away; write styles as attributes, numbers short."""
    element.tag = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    declarations = (one.split(":", 1) for one in attributes.pop("style", "").split(";") if one)
    attributes |= {key.strip(): value.strip() for key, value in declarations}
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    element.attrib = {key: _short(key, value) for key, value in attributes.items()}
    element.text = element.text if element.tag == "text" else None
    element.tail = None
    for child in list(element):
        make_plain(child)
        if child.tag in ("style", "clipPath") or (child.tag == "defs" and not len(child)):
            element.remove(child)


def slim(root: Element) -> None:
    """Leave out ids that nothing refers to and groups without a meaning, and join marks in a row that look the same.

    Args:
        root: after `make_plain`; marks with a tooltip of their own stay apart.
    """
    _slim(root, {element.get("href", "")[1:] for element in root.iter()})


def _slim(element: Element, used: set[str]) -> None:
    element.attrib = {key: value for key, value in element.attrib.items()
                      if key not in _DROPPED or (key == "id" and value in used)}  # fmt: skip
    marks: list[Element] = []
    for child in element:
        _slim(child, used)
        marks += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = [one for _, run in groupby(marks, _look) for one in _joined(list(run))]


def _shared(mark: Element) -> dict[str, str]:
    return {key: value for key, value in mark.attrib.items() if key not in _OWN}


def _look(mark: Element) -> object:
    """What is equal of paths that can be one, and of texts that can be a group; of anything else its own identity."""
    alone = mark.tag not in ("path", "text") or "id" in mark.attrib or (mark.tag == "path" and len(mark))
    return id(mark) if alone else (mark.tag, _shared(mark))


def _joined(marks: list[Element]) -> list[Element]:
    """Marks of one look, written as one element."""
    if len(marks) == 1:
        return marks
    if marks[0].tag == "path":
        return [Element("path", {**_shared(marks[0]), "d": "".join(one.attrib["d"] for one in marks)})]
    group = Element("g", _shared(marks[0]))
    for one in marks:
        one.attrib = {key: one.attrib[key] for key in _OWN if key in one.attrib}
        group.append(one)
    return [group]


def _short(key: str, value: str) -> str:
    """Numbers as fine as can be seen: coordinates to a tenth of a pixel, all else to a hundredth."""
    if key in ("id", "href"):
        return value
    digits = 1 if key in _OWN else 2
    value = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.{digits}f}".rstrip("0").rstrip("."), value)
    return _short_path(value) if key == "d" else value.removesuffix("px")


def _short_path(path: str) -> str:
    """A path whose level and upright lines name only the coordinate that changes."""
    found, x, y = "", "", ""
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        spot = numbers.split()
        if letter == "L" and y == spot[1]:
            found += f"H{spot[0]}"
        elif letter == "L" and x == spot[0]:
            found += f"V{spot[1]}"
        else:
            found += letter + " ".join(spot)
        x, y = spot[-2:] or (x, y)
    return found
