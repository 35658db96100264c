"""Plots of gymsim_validity.py's results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from gymqa.io.files import atomic_path

INK, BLUE, ORANGE, GREY = "#222222", "#2a6fbb", "#d9822b", "#9aa5b1"
Figures = Mapping[str, Any]


def draw_plots(figures: Figures, folder: Path) -> None:
    """Write frames.png (one frame, more frames), order.png and streams.png into `folder`."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "text.color": INK})
    for name, draw in (("frames", _frames), ("order", _order), ("streams", _streams)):
        figure, axes = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
        draw(axes, figures)
        axes.set_ylim(0, 100)
        axes.set_ylabel("Top-1 (%)")
        with atomic_path(folder / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=140, format="png")
        plt.close(figure)


def _frames(axes: Axes, figures: Figures) -> None:
    counts = [int(count) for count in figures["frames"]]
    found = list(figures["frames"].values())
    axes.errorbar(counts, *_values(found), color=BLUE, marker="o", capsize=3, label="element")
    event = figures["one_frame"]["event"]
    axes.errorbar([1], *_values([event]), color=ORANGE, marker="s", capsize=3, label="event, one frame")
    axes.set_xticks(counts)
    axes.set_xlabel("frames")
    axes.legend(frameon=False, loc="lower right")


def _order(axes: Axes, figures: Figures) -> None:
    names = ("ordered", "shuffled", "reversed")
    every = [figures["orders"][name] for name in names]
    _bars(axes, [0, 1, 2], every, color=BLUE, label="all elements")
    turned = [100 * figures["orders_of_elements_with_a_twin"][name] for name in names]
    axes.bar([0.4, 1.4, 2.4], turned, width=0.38, color=ORANGE, label="elements with a twin in direction")
    axes.set_xticks([0.2, 1.2, 2.2], names)
    axes.set_xlabel("test frames")
    axes.legend(frameon=False)


def _streams(axes: Axes, figures: Figures) -> None:
    levels = ("event", "element")
    for place, (name, colour) in enumerate((("rgb", GREY), ("flow", BLUE))):
        found = [figures["streams"][level][name] for level in levels]
        at = [0.4 * place, 1 + 0.4 * place]
        _bars(axes, at, found, color=colour, label={"rgb": "RGB"}.get(name, name))
    axes.set_xticks([0.2, 1.2], levels)
    axes.legend(frameon=False)


def _bars(axes: Axes, at: list[float], found: list[Mapping[str, float]], color: str, label: str) -> None:
    heights, ends = _values(found)
    axes.bar(at, heights, 0.38, yerr=ends, color=color, capsize=3, label=label)


def _values(found: list[Mapping[str, float]]) -> tuple[list[float], list[list[float]]]:
    """Heights in percent, and the distances to the interval's ends."""
    heights = [100 * one["top1"] for one in found]
    low = [100 * (one["top1"] - one["ci_low"]) for one in found]
    return heights, [low, [100 * (one["ci_high"] - one["top1"]) for one in found]]
