"""Matplotlib's figures as SVG text: in the page's colours, or as a file; what is in names is text and nothing else."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

FIELD = "field"  # gid of what keeps it as its class
_INCH = 72  # pixels: SVG's, and matplotlib's points in it
_LOOK = {"svg.fonttype": "none", "text.parse_math": False, "text.usetex": False, "path.simplify": False}
# Of text each has a contrast of 4.5 on the page and on a card; m0 to m7 are the models of a picture.
LIGHT = {
    "page": "#f7f7f5", "card": "#ffffff", "ink": "#15181e", "soft": "#565d69", "line": "#e3e4e1", "track": "#e9eae7",
    "accent": "#0a5bb5", "tint": "#e6f0fb", "wrong": "#a33c05", "wrong-tint": "#fcebe1", "reference": "#6a707b",
    "chance": "#8a6d00", "m0": "#0a5bb5", "m1": "#b3440b", "m2": "#0b7a4b", "m3": "#8a3ab0", "m4": "#9a6a00",
    "m5": "#b0215e", "m6": "#0c7285", "m7": "#5b6270",
}  # fmt: skip

_VARIABLES = {colour: f"var(--{name})" for name, colour in reversed(LIGHT.items())}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure, what it says to those who do not see it, and the tooltips [of its marks] by their group's gid."""

    figure: Figure
    label: str
    titles: Mapping[str, Sequence[str]] = field(default_factory=dict)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw figures in here, as matplotlib comes and not as the reader set it; "$" is a dollar."""
    with style.context(["default", _LOOK], after_reset=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a sign that matplotlib's font lacks; browsers have others
        yield


def pixel_axes(size: tuple[float, float], left: float, top: float, right: float, bottom: float) -> tuple[Figure, Axes]:
    """A figure, and axes without frame or ticks on it, by width and height and margins in pixels."""
    width, height = size
    figure = Figure((width / _INCH, height / _INCH), dpi=_INCH)
    figure.patch.set_visible(False)
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(box, xticks=[], yticks=[])
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    return figure, axes


def one_line(text: str, most: int | None = None) -> str:
    """Text that XML can hold, on one line, of `most` signs if it is longer."""
    clean = " ".join(_NO_XML.sub("\ufffd", text).split())
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


def page_svg(picture: Plot, name: str, kind: str) -> str:
    """The picture as an element of the page, in the page's colours, light or dark.

    Args:
        picture: drawn within `drawing()`, as this call is.
        name: of this picture alone; the same name and figure give the same text, and ids no other picture has.
        kind: what it shows, its class.
    """
    root = _drawn(picture, name)
    for element in root.iter():
        for key in ("fill", "stroke"):
            if (colour := element.get(key)) in _VARIABLES:
                element.set(key, _VARIABLES[colour])
    root.attrib |= {"role": "img", "aria-label": one_line(picture.label), "class": kind}
    return ET.tostring(root, encoding="unicode")


def file_svg(picture: Plot) -> str:
    """The picture as a file of its own, light on white."""
    picture.figure.patch.set(visible=True, facecolor="white")
    root = _drawn(picture, "file")
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "font-family": "system-ui, sans-serif"}
    title = ET.Element("title")
    title.text = one_line(picture.label)
    root.insert(0, title)
    return ET.tostring(root, encoding="unicode") + "\n"


def _drawn(picture: Plot, name: str) -> ET.Element:
    """What matplotlib draws, with its tooltips, and without what is said twice or not needed."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        picture.figure.savefig(buffer, format="svg", metadata=nothing)
    root = ET.fromstring(buffer.getvalue())
    _, _, width, height = root.attrib["viewBox"].split()
    make_plain(root)
    for group in root.iter("g"):
        gid = group.get("id", "")
        if gid == FIELD:
            group.set("class", FIELD)
        for mark, text in zip([one for one in group if one.tag != "defs"], picture.titles.get(gid, ()), strict=False):
            ET.SubElement(mark, "title").text = one_line(text)
    slim(root)
    root.attrib |= {"width": width, "height": height, "stroke-linejoin": "round"}
    return root


DARK = {
    "page": "#0e1116", "card": "#161a21", "ink": "#e9ecf1", "soft": "#a3abb8", "line": "#2a303a", "track": "#2a303a",
    "accent": "#79b8ff", "tint": "#15293f", "wrong": "#ffa071", "wrong-tint": "#3a2116", "reference": "#98a0ad",
    "chance": "#e0be4b", "m0": "#79b8ff", "m1": "#ff9c66", "m2": "#5fd39a", "m3": "#d3a0f0", "m4": "#e5c04f",
    "m5": "#ff8fb8", "m6": "#5fd0e2", "m7": "#aab2bf",
}  # fmt: skip
MODELS = [LIGHT[f"m{number}"] for number in range(8)]


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
