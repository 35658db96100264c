"""Plots of the leaderboard page per benchmark: accuracy against frames, reliability, letters, confusion matrices."""

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
_NAME = 36  # characters of a model's name at the end of its line
_STEP = 15  # pixels from one name to the next


def frames_plot(models: Sequence[Item], benchmark: str) -> Plot:
    """Accuracy against number of frames, a line per model with 95 % intervals and its name at the end.

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
    """Write the names at the lines' ends without overlap; the axes have this height in pixels.

    Returns:
        The full name by the text's SVG id.
    """
    order = sorted(range(len(models)), key=lambda number: -models[number]["points"][-1][1])
    heights: list[float] = []  # above the lower edge of the axes
    for rank, number in enumerate(order):
        highest = heights[-1] - _STEP if heights else pixels
        lowest = _STEP * (len(order) - 1 - rank)  # room for the names below
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
    """Reliability diagram per model: accuracy against confidence, a dot per bin.

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
    for colour, overconfident in ((LIGHT["accent"], False), (LIGHT["wrong"], True)):
        chosen = [(c, r) for c, r in zip(confidence, right, strict=True) if (r < c) == overconfident]
        if chosen:
            across, up = zip(*chosen, strict=True)
            axes.vlines(across, across, up, colors=colour, lw=2, alpha=0.5)
    most = max(answers)
    areas = [(5 + 10 * (count / most) ** 0.5) ** 2 for count in answers]
    axes.scatter(confidence, right, s=areas, color=LIGHT["accent"], lw=0, zorder=3)
    return Plot(figure, f"Reliability of {model['model']} on {benchmark}; the numbers follow as a table")


def letters_plots(models: Sequence[Item], benchmark: str) -> Iterator[Plot]:
    """Letters per model: how often each is chosen, as bars, and how often it is right, as lines.

    Args:
        models: `Analyses.letters` of one benchmark; all are drawn to the same scale.
        benchmark: its heading.
    """
    most = max((one for model in models for _, *fractions in model["letters"] for one in fractions), default=0) or 1
    return (_letters_plot(model, most, benchmark) for model in models)


def _letters_plot(model: Item, most: float, benchmark: str) -> Plot:
    figure, axes = pixel_axes((200, 148), left=16, top=12, right=16, bottom=24)
    letters, chosen, right = zip(*model["letters"], strict=True)
    positions = range(len(letters))
    axes.set(xlim=(-0.5, len(letters) - 0.5), ylim=(0, most))
    axes.bar(positions, chosen, width=0.86, color=LIGHT["accent"], alpha=0.75)
    axes.hlines(right, [x - 0.48 for x in positions], [x + 0.48 for x in positions], colors=LIGHT["ink"], lw=2)
    axes.set_xticks(positions, letters)
    axes.tick_params(length=0, pad=6, labelsize=11, labelcolor=LIGHT["soft"])
    return Plot(figure, f"Letters chosen by {model['model']} on {benchmark}; the numbers follow as a table")


Items = Sequence[Mapping[str, Any]]
BUDGET = 180_000  # bytes of plots in a page of at most 1 MB, beside `samples.BUDGET`
LEFT_OUT = -1


def draw(
    analyses: Analyses, heading: Callable[[str], str], budget: int = BUDGET
) -> tuple[list[Markup], dict[str, list[int]]]:
    """Draw the plots of all benchmarks within a size budget.

    Args:
        analyses: of all benchmarks.
        heading: from a benchmark's name to its heading.
        budget: bytes of UTF-8 for all plots. Matrices, the largest, come last.

    Returns:
        `svg` elements; and for each kind of plot, by item, the index of its plot, or LEFT_OUT where it or one of its
        kind before it exceeds the budget.
    """
    drawn = _PlotList(budget)
    indices: dict[str, list[int]] = {}
    with drawing():
        for kind, plot in _PLOTS.items():
            items = getattr(analyses, kind)
            indices[kind] = [LEFT_OUT] * len(items)
            for benchmark in dict.fromkeys(item["benchmark"] for item in items):
                chosen = [number for number, item in enumerate(items) if item["benchmark"] == benchmark]
                plots = plot([items[number] for number in chosen], heading(benchmark))
                added = drawn.add(plots, kind)
                for number, index in zip(chosen, added * len(chosen) if kind == _OF_ALL else added, strict=False):
                    indices[kind][number] = index
                if kind in drawn.full:
                    break
    return drawn.found, indices


class _PlotList:
    """The page's plots in order, within the budget.

    Attributes:
        found: `svg` elements.
        budget: remaining bytes.
        full: kinds with a plot that did not fit.
    """

    def __init__(self, budget: int) -> None:
        self.found: list[Markup] = []
        self.budget = budget
        self.full: set[str] = set()

    def add(self, plots: Iterable[Plot], kind: str) -> list[int]:
        """Draw plots up to the first that does not fit, since drawing is slow; returns the indices of those added."""
        indices = []
        for plot in plots:
            drawn = page_svg(plot, str(len(self.found)), kind)
            size = len(drawn.encode())
            if size > self.budget:
                self.full.add(kind)
                break
            self.budget -= size
            indices.append(len(self.found))
            self.found.append(Markup(drawn))
        return indices


def _matrices(items: Items, heading: str) -> Iterator[Plot]:
    """Matrices without the cells' tooltips, which the script makes from the numbers."""
    for plot in map(matrix_plot, items):
        titles = {gid: texts for gid, texts in plot.titles.items() if gid != CELLS}
        label = f"{plot.label} on {heading}; its wrong answers follow as a table"
        yield replace(plot, label=label, titles=titles)


_OF_ALL = "frames"  # one plot of all items; the other kinds have one per item
_PLOTS: Mapping[str, Callable[[Items, str], Iterable[Plot]]] = {
    _OF_ALL: lambda items, heading: [frames_plot(items, heading)],
    "reliability": reliability_plots,
    "letters": letters_plots,
    "confusions": _matrices,
}
