"""The page's plots for one benchmark: accuracy against frames, reliability of a model, letters that it chooses."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from eval.report.analyses import Analyses
from eval.report.confusion import CELLS, matrix_plot
from eval.report.svg import LIGHT, MODELS, Plot, drawing, one_line, page_svg, pixel_axes

Item = Mapping[str, Any]
_NAME = 36  # signs of a model's name at the end of its line
_STEP = 15  # pixels from one name to the next


def frames_plot(models: Sequence[Item], benchmark: str) -> Plot:
    """A line a model over the number of frames, with 95 % intervals; its name stands at its end.

    Args:
        models: `Analyses.frames` of one benchmark.
        benchmark: its heading.
    """
    height = max(332, 72 + _STEP * len(models))
    figure, axes = pixel_axes((900, height), left=52, top=12, right=300, bottom=46)
    counts = sorted({point[0] for model in models for point in model["points"]})
    axes.set_xscale("log")
    axes.set(ylim=(0, 1), xlim=(counts[0], counts[-1]) if len(counts) > 1 else (counts[0] / 2, counts[0] * 2))
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25", "50", "75", "100 %"])
    axes.set_xlabel("frames", fontsize=11, color=LIGHT["soft"])
    axes.grid(axis="y", color=LIGHT["line"], lw=1)
    axes.tick_params(length=0, pad=8, labelsize=11, labelcolor=LIGHT["soft"])
    for number, model in enumerate(models):
        x, y, low, high = zip(*model["points"], strict=True)
        colour = MODELS[number % len(MODELS)]
        axes.vlines(x, low, high, colors=colour, lw=1.5, alpha=0.5, clip_on=False)
        axes.plot(x, y, color=colour, lw=2, marker="o", ms=8, mew=0, clip_on=False, zorder=3)
    titles = _name_lines(axes, models, height - 58)
    return Plot(figure, f"Accuracy against number of frames on {benchmark}; the numbers follow as a table", titles)


def _name_lines(axes: Axes, models: Sequence[Item], pixels: float) -> dict[str, list[str]]:
    """Write the names at the lines' ends, each below the one before it; the axes have this height in pixels.

    Returns:
        The whole name by the text's gid.
    """
    order = sorted(range(len(models)), key=lambda number: -models[number]["points"][-1][1])
    heights: list[float] = []  # above the axes' foot
    for place, number in enumerate(order):
        highest = heights[-1] - _STEP if heights else pixels
        lowest = _STEP * (len(order) - 1 - place)  # room for the names below
        heights.append(max(lowest, min(highest, pixels * models[number]["points"][-1][1])))
    for number, height in zip(order, heights, strict=True):
        model = models[number]
        axes.annotate(
            one_line(model["model"], _NAME), (model["points"][-1][0], height / pixels), (12, 0),
            textcoords="offset pixels", va="center", color=MODELS[number % len(MODELS)], fontsize=12, weight="bold",
            gid=f"name-{number}", annotation_clip=False,
        )  # fmt: skip
    return {f"name-{number}": [models[number]["model"]] for number in order}


def reliability_plots(models: Sequence[Item], benchmark: str) -> Iterator[Plot]:
    """For each model a dot a bin: across the probability of its own answers, up the share of them that is right.

    Args:
        models: `Analyses.reliability` of one benchmark.
        benchmark: its heading.
    """
    return (_reliability_plot(model, benchmark) for model in models)


def _reliability_plot(model: Item, benchmark: str) -> Plot:
    figure, axes = pixel_axes((200, 200), left=16, top=16, right=16, bottom=16)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.spines[:].set(visible=True, color=LIGHT["line"], linewidth=1)
    axes.plot([0, 1], [0, 1], color=LIGHT["reference"], lw=1, ls=(0, (3, 3)))
    confidence, right, answers = zip(*model["bins"], strict=True)
    for colour, boasts in ((LIGHT["accent"], False), (LIGHT["wrong"], True)):
        chosen = [(c, r) for c, r in zip(confidence, right, strict=True) if (r < c) == boasts]
        if chosen:
            across, up = zip(*chosen, strict=True)
            axes.vlines(across, across, up, colors=colour, lw=2, alpha=0.5)
    most = max(answers)
    areas = [(5 + 10 * (count / most) ** 0.5) ** 2 for count in answers]
    axes.scatter(confidence, right, s=areas, color=LIGHT["accent"], lw=0, zorder=3)
    return Plot(figure, f"Reliability of {model['model']} on {benchmark}; the numbers follow as a table")


def letters_plots(models: Sequence[Item], benchmark: str) -> Iterator[Plot]:
    """For each model how often it chooses a letter, as bars, and how often the right answer stands there, as lines.

    Args:
        models: `Analyses.letters` of one benchmark; all are drawn to the same scale.
        benchmark: its heading.
    """
    most = max((share for model in models for _, *shares in model["letters"] for share in shares), default=0) or 1
    return (_letters_plot(model, most, benchmark) for model in models)


def _letters_plot(model: Item, most: float, benchmark: str) -> Plot:
    figure, axes = pixel_axes((200, 148), left=16, top=12, right=16, bottom=24)
    letters, said, right = zip(*model["letters"], strict=True)
    spots = range(len(letters))
    axes.set(xlim=(-0.5, len(letters) - 0.5), ylim=(0, most))
    axes.bar(spots, said, width=0.86, color=LIGHT["accent"], alpha=0.75)
    axes.hlines(right, [spot - 0.48 for spot in spots], [spot + 0.48 for spot in spots], colors=LIGHT["ink"], lw=2)
    axes.set_xticks(spots, letters)
    axes.tick_params(length=0, pad=6, labelsize=11, labelcolor=LIGHT["soft"])
    return Plot(figure, f"Letters chosen by {model['model']} on {benchmark}; the numbers follow as a table")


Items = Sequence[Mapping[str, Any]]
BUDGET = 180_000  # bytes of pictures in a page of at most 1 MB, beside those of `samples.BUDGET`
LEFT_OUT = -1


def draw(
    analyses: Analyses, heading: Callable[[str], str], budget: int = BUDGET
) -> tuple[list[Markup], dict[str, list[int]]]:
    """Draw what is drawn from numbers; the bars in tables are the script's.

    Args:
        analyses: of all benchmarks.
        heading: what a benchmark is called.
        budget: bytes of UTF-8 that all pictures may take. Matrices, the largest, come last.

    Returns:
        `svg` elements; and for the fields of the analyses that have pictures, by item, the place of its picture, or
        LEFT_OUT where it would be beyond the budget, or comes after one of its kind that would.
    """
    shelf = _Shelf(budget)
    places: dict[str, list[int]] = {}
    with drawing():
        for kind, plot in _PLOTS.items():
            items = getattr(analyses, kind)
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

    def put(self, pictures: Iterable[Plot], kind: str) -> list[int]:
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


def _matrices(items: Items, heading: str) -> Iterator[Plot]:
    """Matrices without their cells' tooltips, which the script makes from the numbers."""
    for picture in map(matrix_plot, items):
        titles = {gid: texts for gid, texts in picture.titles.items() if gid != CELLS}
        label = f"{picture.label} on {heading}; its wrong answers follow as a table"
        yield replace(picture, label=label, titles=titles)


_OF_ALL = "frames"  # one picture of all items; of the other kinds each item has its own
_PLOTS: Mapping[str, Callable[[Items, str], Iterable[Plot]]] = {
    _OF_ALL: lambda items, heading: [frames_plot(items, heading)],
    "reliability": reliability_plots,
    "letters": letters_plots,
    "confusions": _matrices,
}
