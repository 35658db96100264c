"""Results of a study: accuracies with clustered intervals, paired differences, FineGym's published figures."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from eval.metrics.fusion import fuse
from eval.metrics.recognition import ClassPredictions, mean_class, read_class_predictions, top1, weighted_mean_class
from eval.stats.bootstrap import FloatArray, Interval, mean_interval, statistic_interval
from eval.stats.comparison import difference_interval
from gymqa.cli.studies.trainings import ModelTest
from gymqa.runtime.runs import Run

Conditions = Mapping[str, str | int]
METRICS = ("top1", "mean_class")


@dataclass(frozen=True)
class Cell:
    """One cell of a study's table.

    Attributes:
        conditions: its row and column, such as {"recognizer": "tsn", "frames": 3}.
        tests: tests by seed; the probabilities of several models are averaged.
    """

    conditions: Conditions
    tests: Mapping[int, tuple[ModelTest, ...]]


@dataclass(frozen=True)
class Measured:
    """A cell's accuracies.

    Attributes:
        conditions: conditions of the cell.
        top1: Top-1 accuracy, mean over the seeds, in [0, 1].
        mean_class: mean-class accuracy over the classes that have clips, mean over the seeds.
        seeds: both accuracies by seed.
        points: fraction of the seeds whose model is right, for each clip, [n].
        labels: labels of the clips, [n].
        videos: video ids of the clips, [n].
    """

    conditions: Conditions
    top1: Interval
    mean_class: Interval
    seeds: Mapping[str, Mapping[str, float]]
    points: FloatArray
    labels: Sequence[int]
    videos: Sequence[str]

    def metric(self, name: str) -> Interval:
        """One of METRICS."""
        return {"top1": self.top1, "mean_class": self.mean_class}[name]

    def as_json(self) -> dict[str, Any]:
        """The cell as JSON values."""
        figures = {name: asdict(self.metric(name)) for name in METRICS}
        return {**self.conditions, **figures, "seeds": self.seeds}

    def of_class(self, label: int) -> float | None:
        """Accuracy on a class's clips; None if it has none."""
        own = np.asarray(self.labels) == label
        return float(self.points[own].mean()) if own.any() else None


def measure(run: Run, cell: Cell) -> Measured:
    """Compute a cell's accuracies; intervals are over videos, not seeds.

    Raises:
        GymQAError: a file is missing or damaged.
    """
    found = {seed: _read(run, tests) for seed, tests in cell.tests.items()}
    one = next(iter(found.values()))
    points = np.mean([(each.predicted == each.labels).astype(np.float64) for each in found.values()], axis=0)
    seeds = {str(seed): {"top1": top1(each), "mean_class": mean_class(each)} for seed, each in found.items()}
    by_class = float(np.mean([each["mean_class"] for each in seeds.values()]))
    return Measured(
        cell.conditions,
        mean_interval(points, one.video_ids),
        statistic_interval(by_class, weighted_mean_class(one, points), one.video_ids),
        seeds,
        points,
        one.labels.tolist(),
        one.video_ids,
    )


def _read(run: Run, tests: Sequence[ModelTest]) -> ClassPredictions:
    """One model's predictions, or the average of several models'."""
    paths = [run.folder / test.predictions for test in tests]
    return fuse(paths) if len(paths) > 1 else read_class_predictions(paths[0])


def difference(first: Measured, second: Measured) -> dict[str, Any]:
    """Paired difference of Top-1 accuracy (first minus second) with its interval, as JSON values."""
    found = difference_interval(first.points, second.points, first.videos)
    return {"of": dict(first.conditions), "minus": dict(second.conditions), "top1": asdict(found)}


_FILE = "finegym.csv"


@dataclass(frozen=True, slots=True)
class Published:
    """One published figure.

    Attributes:
        study: the command that reproduces it.
        row, column: row and column of the study's table.
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
    """The paper's figures of a study, in its order; values shown only in plots are not included."""
    text = (files("gymqa.cli.studies") / _FILE).read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return [Published(**{**row, "value": float(row["value"])}) for row in rows if row["study"] == study]  # type: ignore[arg-type]
