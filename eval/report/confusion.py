"""A confusion matrix as an SVG file of its own, drawn as on the leaderboard's page."""

from typing import Any

import numpy as np

from eval.report.samples import ConfusionView
from eval.report.templates import templates


def confusion_svg(view: ConfusionView) -> str:
    """Return the matrix as SVG text: a line a true class, a column an answer, darker is more often."""
    counts = np.asarray(view.counts)
    return (
        templates()
        .get_template("confusion.svg.j2")
        .render(view=view, cells=confusion_cells(view), right=int(np.trace(counts)), n=int(counts.sum()))
    )


def confusion_cells(view: ConfusionView) -> list[dict[str, Any]]:
    """The cells that are not empty: true class, class said, count, clips of the true class, and the share of them."""
    counts = np.asarray(view.counts)
    totals = counts.sum(axis=1)  # [C]
    return [
        {
            "true": int(i),
            "said": int(j),
            "count": int(counts[i, j]),
            "of": int(totals[i]),
            "share": float(counts[i, j] / totals[i]),
        }
        for i, j in np.argwhere(counts > 0)
    ]
