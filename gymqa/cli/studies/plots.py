"""A study's picture: lines over a number, or bars in groups, with 95 % intervals and the level of chance."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.stats.bootstrap import Interval
from gymqa.io.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which are told apart whatever one's colour vision; markers differ as well.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = "osD^vP"
_INK, _GREY = "#222222", "#8a8a8a"


@dataclass(frozen=True)
class Line:
    """Accuracies in [0, 1] over numbers; of printed ones the interval is not known, and not drawn."""

    name: str
    points: Mapping[int, Interval]
    printed: bool = False


def draw_lines(path: Path, lines: Sequence[Line], x: str, y: str, chance: float) -> None:
    """Draw lines over a number into a PNG.

    Args:
        path: the file.
        lines: printed ones are grey and dashed.
        x: what the number is called.
        y: what the accuracy is called.
        chance: accuracy of guessing, in [0, 1].
    """
    with _axes(path, y, chance) as axes:
        own = [line for line in lines if not line.printed]
        for number, line in enumerate(own):
            style = {"color": _COLOURS[number % 6], "marker": _MARKERS[number % 6], "capsize": 3}
            heights, ends = _values(list(line.points.values()))
            axes.errorbar(list(line.points), heights, ends, label=line.name, **style)  # type: ignore[arg-type]
        for line in lines:
            if line.printed:
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
    printed: Mapping[tuple[str, str], float] | None = None,
) -> None:
    """Draw bars in groups into a PNG.

    Args:
        path: the file.
        bars: group -> name of a bar -> interval; every group has the same names.
        y: what the axis is called.
        chance: accuracy of guessing, in [0, 1], in all groups or in each.
        printed: the paper's figures in [0, 1], by group and name; black diamonds.
    """
    groups, names = list(bars), list(next(iter(bars.values())))
    width, shown = 0.8 / len(names), printed or {}
    with _axes(path, y, chance if isinstance(chance, float) else None, wide=len(groups) * len(names) > 9) as axes:
        for number, name in enumerate(names):
            at = [place - 0.4 + width * (number + 0.5) for place in range(len(groups))]
            heights, ends = _values([bars[group][name] for group in groups])
            known = ends if any(map(any, ends)) else None
            axes.bar(at, heights, 0.92 * width, yerr=known, color=_COLOURS[number % 6], capsize=2, label=name)
            pairs = zip(at, groups, strict=True)
            printed_at = [(x, 100 * shown[group, name]) for x, group in pairs if (group, name) in shown]
            if printed_at:
                label = "FineGym's paper" if number == len(names) - 1 else None
                axes.plot(*zip(*printed_at, strict=True), ls="", marker="D", ms=4, color="black", label=label)
        if not isinstance(chance, float):
            for place, level in enumerate(chance):
                axes.hlines(100 * level, place - 0.45, place + 0.45, color=_GREY, ls=":")
        axes.set_xticks(range(len(groups)), groups)
        if max(map(len, groups)) > 10:
            axes.tick_params("x", rotation=25)


@contextmanager
def _axes(path: Path, y: str, chance: float | None, wide: bool = False) -> Iterator["Axes"]:
    """Axes in per cent; the picture is written when the block ends."""
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
