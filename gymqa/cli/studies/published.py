"""The figures that FineGym (CVPR'20) prints, from finegym.csv: study, row, column, data, metric, value in %, source."""

import csv
from dataclasses import dataclass
from importlib.resources import files

_FILE = "finegym.csv"


@dataclass(frozen=True, slots=True)
class Published:
    """One printed figure.

    Attributes:
        study: the command that repeats it.
        row, column: what it is of, as the study's table has them.
        data: setting, or other data set.
        metric: top1 or mean_class (FineGym's "Mean").
        value: in %.
        source: table of the paper.
    """

    study: str
    row: str
    column: str
    data: str
    metric: str
    value: float
    source: str


def published(study: str) -> list[Published]:
    """What is printed of a study, in the paper's order; plots without figures are not read off."""
    text = (files("gymqa.cli.studies") / _FILE).read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [Published(**{**row, "value": float(row["value"])}) for row in rows if row["study"] == study]  # type: ignore[arg-type]
