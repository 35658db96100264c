"""Matplotlib figures as compact SVG: inline in the page with its colours, or as a file; all text escaped."""

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

FIELD = "field"  # SVG id that is kept as a class
_INCH = 72  # pixels of SVG, points of matplotlib
_STYLE = {"svg.fonttype": "none", "text.parse_math": False, "text.usetex": False, "path.simplify": False}
# Text colours have a contrast of 4.5 on page and card; m0 to m7 are the models of a plot.
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
    """A figure, its accessible label, and the tooltips of marks by the SVG id of their group."""

    figure: Figure
    label: str
    titles: Mapping[str, Sequence[str]] = field(default_factory=dict)


@contextmanager
def drawing() -> Iterator[None]:
    """Context of matplotlib's default style, whatever the user's settings; "$" is literal."""
    with style.context(["default", _STYLE], after_reset=True), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a character missing in matplotlib's font; browsers have others
        yield


def pixel_axes(size: tuple[float, float], left: float, top: float, right: float, bottom: float) -> tuple[Figure, Axes]:
    """A figure with axes without frame or ticks, by size (width, height) and margins in pixels."""
    width, height = size
    figure = Figure((width / _INCH, height / _INCH), dpi=_INCH)
    figure.patch.set_visible(False)
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    axes = figure.add_axes(box, xticks=[], yticks=[])
    axes.patch.set_visible(False)
    axes.spines[:].set_visible(False)
    return figure, axes


def one_line(text: str, most: int | None = None) -> str:
    """Text valid in XML, on one line, cut to `most` characters."""
    clean = " ".join(_NO_XML.sub("\ufffd", text).split())
    return clean if most is None or len(clean) <= most else clean[: most - 1] + "…"


def page_svg(plot: Plot, name: str, kind: str) -> str:
    """The plot as an element of the page, in the page's colours, light or dark.

    Args:
        plot: drawn within `drawing()`, as this call is.
        name: unique to this plot; the same name and figure give the same text and unique ids.
        kind: its class.
    """
    root = _drawn(plot, name)
    for element in root.iter():
        for key in ("fill", "stroke"):
            if (colour := element.get(key)) in _VARIABLES:
                element.set(key, _VARIABLES[colour])
    root.attrib |= {"role": "img", "aria-label": one_line(plot.label), "class": kind}
    return ET.tostring(root, encoding="unicode")


def file_svg(plot: Plot) -> str:
    """The plot as a stand-alone file, in light colours on white."""
    plot.figure.patch.set(visible=True, facecolor="white")
    root = _drawn(plot, "file")
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "font-family": "system-ui, sans-serif"}
    title = ET.Element("title")
    title.text = one_line(plot.label)
    root.insert(0, title)
    return ET.tostring(root, encoding="unicode") + "\n"


def _drawn(plot: Plot, name: str) -> ET.Element:
    """Matplotlib's SVG with tooltips, reduced to what is needed."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        plot.figure.savefig(buffer, format="svg", metadata=nothing)
    root = ET.fromstring(buffer.getvalue())
    _, _, width, height = root.attrib["viewBox"].split()
    make_plain(root)
    for group in root.iter("g"):
        gid = group.get("id", "")
        if gid == FIELD:
            group.set("class", FIELD)
        for mark, text in zip([one for one in group if one.tag != "defs"], plot.titles.get(gid, ()), strict=False):
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
_OWN = ("d", "x", "y")  # what marks of one style differ in


def make_plain(element: Element) -> None:
    """Remove name spaces, style sheets and clipping; write styles as attributes and numbers rounded."""
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
    """Remove unreferenced ids and groups without attributes, and join consecutive marks of one style.

    Args:
        root: after `make_plain`; marks with a tooltip are not joined.
    """
    _slim(root, {element.get("href", "")[1:] for element in root.iter()})


def _slim(element: Element, used: set[str]) -> None:
    element.attrib = {key: value for key, value in element.attrib.items()
                      if key not in _DROPPED or (key == "id" and value in used)}  # fmt: skip
    marks: list[Element] = []
    for child in element:
        _slim(child, used)
        marks += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = [one for _, run in groupby(marks, _style_key) for one in _joined(list(run))]


def _shared(mark: Element) -> dict[str, str]:
    return {key: value for key, value in mark.attrib.items() if key not in _OWN}


def _style_key(mark: Element) -> object:
    """Key of marks that can be joined (paths into one, texts into a group); unique for all others."""
    alone = mark.tag not in ("path", "text") or "id" in mark.attrib or (mark.tag == "path" and len(mark))
    return id(mark) if alone else (mark.tag, _shared(mark))


def _joined(marks: list[Element]) -> list[Element]:
    """Marks of one style as one element."""
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
    """Round numbers: coordinates to a tenth of a pixel, all else to a hundredth."""
    if key in ("id", "href"):
        return value
    digits = 1 if key in _OWN else 2
    value = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.{digits}f}".rstrip("0").rstrip("."), value)
    return _short_path(value) if key == "d" else value.removesuffix("px")


def _short_path(path: str) -> str:
    """Shorten a path: horizontal and vertical lines name only the coordinate that changes."""
    found, x, y = "", "", ""
    for letter, numbers in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        point = numbers.split()
        if letter == "L" and y == point[1]:
            found += f"H{point[0]}"
        elif letter == "L" and x == point[0]:
            found += f"V{point[1]}"
        else:
            found += letter + " ".join(point)
        x, y = point[-2:] or (x, y)
    return found
