"""Matplotlib's figures as SVG text: in the page's colours, or as a file; what is in names is text and nothing else."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from matplotlib import rc_context, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.report.palette import LIGHT
from eval.report.slim_svg import make_plain, slim

FIELD = "field"  # gid of what keeps it as its class
_INCH = 72  # pixels: SVG's, and matplotlib's points in it
_LOOK = {"svg.fonttype": "none", "text.parse_math": False, "text.usetex": False, "path.simplify": False}
_VARIABLES = {colour: f"var(--{name})" for name, colour in reversed(LIGHT.items())}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
