"""Matplotlib's figures as SVG text: small enough to stand in the page, in its colours, with nothing but text in names.

What matplotlib writes as style sheets and style attributes becomes plain attributes, for the page's content security
policy allows no style but its own.
"""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from xml.etree import ElementTree as ET

from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.report.palette import LIGHT

FIELD = "field"  # gid of what keeps it as its class
_INCH = 72  # pixels: SVG's, and matplotlib's points in it
_LOOK = {"svg.fonttype": "none", "text.parse_math": False, "text.usetex": False, "path.simplify": False}
_VARIABLES = {colour: f"var(--{name})" for name, colour in reversed(LIGHT.items())}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DROPPED = ("id", "clip-path", "font-family", "version")


@dataclass(frozen=True, slots=True)
class Picture:
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


def page_svg(picture: Picture, name: str, kind: str) -> str:
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


def file_svg(picture: Picture) -> str:
    """The picture as a file of its own, light on white."""
    picture.figure.patch.set(visible=True, facecolor="white")
    root = _drawn(picture, "file")
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "font-family": "system-ui, sans-serif"}
    title = ET.Element("title")
    title.text = one_line(picture.label)
    root.insert(0, title)
    return ET.tostring(root, encoding="unicode") + "\n"


def _drawn(picture: Picture, name: str) -> ET.Element:
    """What matplotlib draws, without what is said twice or not needed."""
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        picture.figure.savefig(buffer, format="svg", metadata=nothing)
    root = ET.fromstring(buffer.getvalue())
    _, _, width, height = root.attrib["viewBox"].split()
    _plain(root)
    _titled(root, picture.titles)
    used = {element.get("href", "")[1:] for element in root.iter()}
    _light(root, used)
    root.attrib |= {"width": width, "height": height, "stroke-linejoin": "round"}
    return root


def _plain(element: ET.Element) -> None:
    """Names without name spaces, styles as attributes; no style sheet, no clipping."""
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
        _plain(child)
        if child.tag in ("style", "clipPath") or (child.tag == "defs" and not len(child)):
            element.remove(child)


def _short(key: str, value: str) -> str:
    """Numbers as fine as can be seen: coordinates to a tenth of a pixel, all else to a hundredth."""
    if key in ("id", "href"):
        return value
    digits = 1 if key in ("d", "x", "y") else 2
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


def _titled(root: ET.Element, titles: Mapping[str, Sequence[str]]) -> None:
    """Give each mark of a named group its tooltip, in the order in which they are drawn."""
    for group in root.iter("g"):
        gid = group.get("id", "")
        if gid == FIELD:
            group.set("class", FIELD)
        for mark, text in zip([one for one in group if one.tag != "defs"], titles.get(gid, ()), strict=False):
            ET.SubElement(mark, "title").text = one_line(text)


def _light(element: ET.Element, used: set[str]) -> None:
    """Leave out ids that nothing refers to and groups without a meaning, and say once what marks in a row share."""
    element.attrib = {key: value for key, value in element.attrib.items()
                      if key not in _DROPPED or (key == "id" and value in used)}  # fmt: skip
    marks: list[ET.Element] = []
    for child in element:
        _light(child, used)
        marks += list(child) if child.tag == "g" and not child.attrib else [child]
    element[:] = [one for _, run in groupby(marks, _look) for one in _joined(list(run))]


def _look(mark: ET.Element) -> tuple[str, object]:
    """Paths of one look can be one path, texts one group; a mark with an id or a path with a tooltip stays its own."""
    if mark.tag not in ("path", "text") or "id" in mark.attrib or (mark.tag == "path" and len(mark)):
        return "", id(mark)
    return mark.tag, {key: value for key, value in mark.attrib.items() if key not in ("d", "x", "y")}


def _joined(marks: list[ET.Element]) -> list[ET.Element]:
    """Marks of one look, written as one element."""
    tag, look = _look(marks[0])
    if len(marks) == 1 or not isinstance(look, dict):
        return marks
    if tag == "path":
        return [ET.Element("path", look | {"d": "".join(one.attrib["d"] for one in marks)})]
    for one in marks:
        one.attrib = {key: one.attrib[key] for key in ("x", "y")}
    group = ET.Element("g", look)
    group.extend(marks)
    return [group]
