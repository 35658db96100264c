"""One study: its run folder, its trainings, its file of figures and its table."""

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
from gymqa.runtime.runs import Run, environment, resolved
from recognizers.backbones.base import ModelConfig


class Study:
    """A study in its run folder; made before anything is rendered, so that what cannot be done is refused first.

    Args:
        name: of the command, and of the files it writes.
        out: the run's folder.
        settings: what all studies share.
        asked: the study's own options; JSON values.
        workers: processes, and trainings at a time.

    Raises:
        GymQAError: the folder cannot be written to.
    """

    def __init__(self, name: str, out: Path, settings: StudySettings, asked: Mapping[str, Any], workers: int) -> None:
        self.name, self.settings, self.asked, self.workers = name, settings, dict(asked), workers
        self.run = Run(out, {**resolved(settings), **asked})
        self.printed: list[Published] = published(name)
        self._inputs: Inputs | None = None

    @property
    def inputs(self) -> Inputs:
        """The clips; `prepare` comes first."""
        assert self._inputs is not None
        return self._inputs

    def prepare(self, levels: Sequence[Level], size: int) -> None:
        """Make clips and frames of `size` pixels; see `gymqa.cli.studies.inputs`."""
        self._inputs = prepare(self.run, self.settings, levels, size, self.workers)

    def trainings(
        self, name: str, model: ModelConfig, level: Level = "element", reshuffled: bool = False
    ) -> dict[int, Training]:
        """A training for each seed; `name` tells its settings from the study's others."""
        classes, clips = len(self.inputs.classes(level)), self.inputs.train
        return {
            seed: Training(f"{name}-{seed}", self.settings.config(model, classes, seed, clips), level, reshuffled)
            for seed in self.settings.seeds
        }

    def measure(self, cells: Sequence[Cell]) -> list[Measured]:
        """Train and test what the cells need, and count."""
        tests = [test for cell in cells for of_seed in cell.tests.values() for test in of_seed]
        train_and_test(self.run, tests, self.workers)
        return [measure(self.run, cell) for cell in cells]

    def picture(self, suffix: str = "") -> Path:
        """Where a picture of the study lies."""
        return self.run.folder / f"{self.name}{suffix}.png"

    def write(self, found: Sequence[Measured], differences: Sequence[Mapping[str, Any]], **more: Any) -> None:
        """Write the figures, what they were made of, and the paper's.

        Args:
            found: all cells.
            differences: between some of them.
            more: what else the study has found; JSON values.
        """
        figures = {
            "study": self.name,
            "cells": [one.as_json() for one in found],
            "differences": list(differences),
            **more,
            "clips": len(found[0].labels),
            "videos": len(set(found[0].videos)),
            "finegym": [resolved(one) for one in self.printed],
            "settings": {**self.settings.described(), **self.asked, "setting": self.inputs.taxonomy.setting},
            "environment": environment(),
        }
        write_json(self.run.folder / f"{self.name}.json", figures)

    def paper(self, metric: str) -> dict[tuple[str, str], float]:
        """The paper's figures of a metric in [0, 1], by row and column; none where sets or events were asked for."""
        if self.asked.get("level", "element") != "element":
            return {}
        chosen = (one for one in self.printed if one.metric == metric)
        return {(one.row, one.column): one.value / 100 for one in chosen}

    def show(self, lines: Sequence[Sequence[str]]) -> None:
        """Print a table, and where the files are."""
        print(text_table(lines))
        print(f"{self.run.folder / self.name}.json, {self.picture()}")


def whole_numbers(numbers: Sequence[int] | None, default: Sequence[int], what: str) -> list[int]:
    """Numbers of frames, each once, in rising order.

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


def printed_percent(figures: Mapping[tuple[str, str], float], row: str, column: str) -> str:
    """A figure of the paper, or a dash."""
    value = figures.get((row, column))
    return "–" if value is None else f"{100 * value:.1f}"
