"""Plots of a study: accuracy lines or grouped bars with 95 % intervals, published figures and chance level."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.stats.bootstrap import Interval
from gymqa.io.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, distinguishable with any colour vision; markers differ as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "osD^vP"
_INK, _GREY = "#222222", "#8a8a8a"


@dataclass(frozen=True)
class Line:
    """Accuracies in [0, 1] by a number; published ones have no interval."""

    name: str
    points: Mapping[int, Interval]
    published: bool = False


def draw_lines(path: Path, lines: Sequence[Line], x: str, y: str, chance: float) -> None:
    """Draw lines into a PNG.

    Args:
        path: the file.
        lines: the lines; published ones are grey and dashed.
        x: label of the x axis.
        y: label of the y axis.
        chance: chance-level accuracy, in [0, 1].
    """
    with _axes(path, y, chance) as axes:
        own = [line for line in lines if not line.published]
        for number, line in enumerate(own):
            style = {"color": _COLOURS[number % 6], "marker": _MARKERS[number % 6], "capsize": 3}
            heights, ends = _values(list(line.points.values()))
            axes.errorbar(list(line.points), heights, ends, label=line.name, **style)  # type: ignore[arg-type]
        for line in lines:
            if line.published:
                heights, _ = _values(list(line.points.values()))
                axes.plot(list(line.points), heights, color=_GREY, ls="--", marker="o", mfc="white", label=line.name)
        numbers = sorted({number for line in lines for number in line.points})
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.set_xlabel(x)


def draw_bars(
    path: Path,
    bars: Mapping[str, Mapping[str, Interval]],
    y: str,
    chance: float | Sequence[float],
    published: Mapping[tuple[str, str], float] | None = None,
) -> None:
    """Draw grouped bars into a PNG.

    Args:
        path: the file.
        bars: group -> name of a bar -> interval; every group has the same names.
        y: label of the y axis.
        chance: chance-level accuracy in [0, 1], for all groups or for each.
        published: the paper's figures in [0, 1], by group and name; drawn as black diamonds.
    """
    groups, names = list(bars), list(next(iter(bars.values())))
    width, shown = 0.8 / len(names), published or {}
    with _axes(path, y, chance if isinstance(chance, float) else None, wide=len(groups) * len(names) > 9) as axes:
        for number, name in enumerate(names):
            positions = [group_index - 0.4 + width * (number + 0.5) for group_index in range(len(groups))]
            heights, ends = _values([bars[group][name] for group in groups])
            known = ends if any(map(any, ends)) else None
            axes.bar(positions, heights, 0.92 * width, yerr=known, color=_COLOURS[number % 6], capsize=2, label=name)
            pairs = zip(positions, groups, strict=True)
            published_at = [(x, 100 * shown[group, name]) for x, group in pairs if (group, name) in shown]
            if published_at:
                label = "FineGym's paper" if number == len(names) - 1 else None
                axes.plot(*zip(*published_at, strict=True), ls="", marker="D", ms=4, color="black", label=label)
        if not isinstance(chance, float):
            for group_index, level in enumerate(chance):
                axes.hlines(100 * level, group_index - 0.45, group_index + 0.45, color=_GREY, ls=":")
        axes.set_xticks(range(len(groups)), groups)
        if max(map(len, groups)) > 10:
            axes.tick_params("x", rotation=25)


@contextmanager
def _axes(path: Path, y: str, chance: float | None, wide: bool = False) -> Iterator["Axes"]:
    """Axes in per cent; the plot is saved when the block ends."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    look: dict[Any, Any] = {"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "text.color": _INK}
    with plt.rc_context(look):
        figure, axes = plt.subplots(figsize=(8.0 if wide else 5.6, 3.6), layout="constrained")
        if chance is not None:
            axes.axhline(100 * chance, color=_GREY, ls=":", label="chance")
        yield axes
        axes.set_ylim(0, 102)
        axes.set_yticks(range(0, 101, 20))
        axes.set_ylabel(y)
        figure.legend(frameon=False, loc="outside upper center", ncols=4 if wide else 2)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=140, format="png")
        plt.close(figure)


def _values(found: Sequence[Interval]) -> tuple[list[float], list[list[float]]]:
    """Heights in %, and the distances to the intervals' ends."""
    heights = [100 * one.value for one in found]
    low, high = [100 * (one.value - one.low) for one in found], [100 * (one.high - one.value) for one in found]
    return heights, [[max(0.0, one) for one in low], [max(0.0, one) for one in high]]
