"""Study: run folder, trainings, results file and printed table of one `gymqa study` command."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.stats.bootstrap import Interval
from gymqa.cli.studies.inputs import Inputs, prepare
from gymqa.cli.studies.results import Cell, Measured, Published, measure, published
from gymqa.cli.studies.settings import Level, StudySettings
from gymqa.cli.studies.trainings import Training, train_and_test
from gymqa.errors import GymQAError
from gymqa.io.console import text_table
from gymqa.io.files import write_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import Run, resolved
from recognizers.backbones.base import ModelConfig


class Study:
    """A study in its run folder; constructed before rendering, so that invalid options are refused first.

    Args:
        name: name of the command and of the files it writes.
        out: the run folder.
        settings: settings shared by all studies.
        asked: the study's own options, as JSON values.
        workers: number of processes, and of parallel trainings.

    Raises:
        GymQAError: the folder is not writable.
    """

    def __init__(self, name: str, out: Path, settings: StudySettings, asked: Mapping[str, Any], workers: int) -> None:
        self.name, self.settings, self.asked, self.workers = name, settings, dict(asked), workers
        device = choose_device()
        precision = choose_precision(settings.training.precision, device)
        self.run = Run(out, {**resolved(settings), **asked}, None, device, precision)
        self.published_figures: list[Published] = published(name)
        self._inputs: Inputs | None = None

    @property
    def inputs(self) -> Inputs:
        """The study's data; available after `prepare`."""
        assert self._inputs is not None
        return self._inputs

    def prepare(self, levels: Sequence[Level], size: int) -> None:
        """Prepare splits and frames of `size` pixels; see `gymqa.cli.studies.inputs`."""
        self._inputs = prepare(self.run, self.settings, levels, size, self.workers)

    def trainings(
        self, name: str, model: ModelConfig, level: Level = "element", reshuffled: bool = False
    ) -> dict[int, Training]:
        """Seed -> training; `name` identifies its settings within the study."""
        classes, clips = len(self.inputs.classes(level)), self.inputs.train
        return {
            seed: Training(f"{name}-{seed}", self.settings.config(model, classes, seed, clips), level, reshuffled)
            for seed in self.settings.seeds
        }

    def measure(self, cells: Sequence[Cell]) -> list[Measured]:
        """Run the trainings and tests of the cells, and compute their accuracies."""
        tests = [test for cell in cells for of_seed in cell.tests.values() for test in of_seed]
        train_and_test(self.run, tests, self.workers)
        return [measure(self.run, cell) for cell in cells]

    def plot_path(self, suffix: str = "") -> Path:
        """Path of a plot of the study."""
        return self.run.folder / f"{self.name}{suffix}.png"

    def write(self, found: Sequence[Measured], differences: Sequence[Mapping[str, Any]], **more: Any) -> None:
        """Write the results with settings, environment and the paper's figures.

        Args:
            found: all cells.
            differences: paired differences of cells.
            more: further results, as JSON values.
        """
        figures = {
            "study": self.name,
            "cells": [one.as_json() for one in found],
            "differences": list(differences),
            **more,
            "clips": len(found[0].labels),
            "videos": len(set(found[0].videos)),
            "finegym": [resolved(one) for one in self.published_figures],
            "settings": {**self.settings.described(), **self.asked, "setting": self.inputs.taxonomy.setting},
            "environment": self.run.environment,
        }
        write_json(self.run.folder / f"{self.name}.json", figures)

    def paper(self, metric: str) -> dict[tuple[str, str], float]:
        """The paper's figures of a metric in [0, 1], by row and column; empty for sets or events."""
        if self.asked.get("level", "element") != "element":
            return {}
        chosen = (one for one in self.published_figures if one.metric == metric)
        return {(one.row, one.column): one.value / 100 for one in chosen}

    def show(self, lines: Sequence[Sequence[str]]) -> None:
        """Print a table, and the paths of the results and the plot."""
        print(text_table(lines))
        print(f"{self.run.folder / self.name}.json, {self.plot_path()}")


def whole_numbers(numbers: Sequence[int] | None, default: Sequence[int], what: str) -> list[int]:
    """Sort numbers of frames and remove repeated ones.

    Raises:
        GymQAError: one is below 1.
    """
    chosen = sorted(set(numbers if numbers is not None else default))
    if not chosen or chosen[0] < 1:
        raise GymQAError(f"{what} cannot be {' '.join(map(str, chosen)) or 'none'}; give numbers from 1 on")
    return chosen


def percent(interval: Interval) -> str:
    """An accuracy with its interval: "54.2 [50.1, 58.3]"."""
    return f"{100 * interval.value:.1f} [{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def published_percent(figures: Mapping[tuple[str, str], float], row: str, column: str) -> str:
    """A figure of the paper in per cent, or a dash."""
    value = figures.get((row, column))
    return "–" if value is None else f"{100 * value:.1f}"
