"""All pictures of the page, and which item of the evidence each one shows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from eval.report.evidence import Evidence
from eval.report.matrix_plot import CELLS, matrix_plot
from eval.report.plots import frames_plot, letters_plots, reliability_plots
from eval.report.svg import Picture, drawing, page_svg

Items = Sequence[Mapping[str, Any]]
BUDGET = 180_000  # bytes of pictures in a page of at most 1 MB, beside those of `samples.BUDGET`
LEFT_OUT = -1


def draw(
    evidence: Evidence, heading: Callable[[str], str], budget: int = BUDGET
) -> tuple[list[Markup], dict[str, list[int]]]:
    """Draw what is drawn from numbers; the bars in tables are the script's.

    Args:
        evidence: of all benchmarks.
        heading: what a benchmark is called.
        budget: bytes of UTF-8 that all pictures may take. Matrices, the largest, come last.

    Returns:
        `svg` elements; and for the fields of the evidence that have pictures, by item, the place of its picture, or
        LEFT_OUT where it would be beyond the budget, or comes after one of its kind that would.
    """
    shelf = _Shelf(budget)
    places: dict[str, list[int]] = {}
    with drawing():
        for kind, plot in _PLOTS.items():
            items = getattr(evidence, kind)
            places[kind] = [LEFT_OUT] * len(items)
            for benchmark in dict.fromkeys(item["benchmark"] for item in items):
                chosen = [number for number, item in enumerate(items) if item["benchmark"] == benchmark]
                pictures = plot([items[number] for number in chosen], heading(benchmark))
                spots = shelf.put(pictures, kind)
                for number, spot in zip(chosen, spots * len(chosen) if kind == _OF_ALL else spots, strict=False):
                    places[kind][number] = spot
                if kind in shelf.full:
                    break
    return shelf.found, places


class _Shelf:
    """The page's pictures in their order, as many as it may hold.

    Attributes:
        found: `svg` elements.
        budget: bytes that are left.
        full: kinds of which one did not fit.
    """

    def __init__(self, budget: int) -> None:
        self.found: list[Markup] = []
        self.budget = budget
        self.full: set[str] = set()

    def put(self, pictures: Iterable[Picture], kind: str) -> list[int]:
        """Draw pictures up to the first that does not fit, for drawing takes time; the places of those that do."""
        places = []
        for picture in pictures:
            drawn = page_svg(picture, str(len(self.found)), kind)
            size = len(drawn.encode())
            if size > self.budget:
                self.full.add(kind)
                break
            self.budget -= size
            places.append(len(self.found))
            self.found.append(Markup(drawn))
        return places


def _matrices(items: Items, heading: str) -> Iterator[Picture]:
    """Matrices without their cells' tooltips, which the script makes from the numbers."""
    for picture in map(matrix_plot, items):
        titles = {gid: texts for gid, texts in picture.titles.items() if gid != CELLS}
        label = f"{picture.label} on {heading}; its wrong answers follow as a table"
        yield replace(picture, label=label, titles=titles)


_OF_ALL = "frames"  # one picture of all items; of the other kinds each item has its own
_PLOTS: Mapping[str, Callable[[Items, str], Iterable[Picture]]] = {
    _OF_ALL: lambda items, heading: [frames_plot(items, heading)],
    "reliability": reliability_plots,
    "letters": letters_plots,
    "confusions": _matrices,
}
