"""The leaderboard's rows, and the runs that they are made of: which model answered what, under which control."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from eval.metrics.recognition import ClassPredictions
from gymqa.questions.schema import Prediction

RECOGNITION = "recognition"
NO_CONTROL = "none"
ACCURACY, CIRCULAR, ROTATED = "accuracy", "circular", "rotation_averaged"
BINARY, MULTIPLE_BINARY, BINARY_BY_PROBABILITY = "binary", "multiple_binary", "binary_by_probability"
SINGLE = "single_questions"
"""Accuracy of the questions of minimal pairs one by one; ACCURACY counts pairs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the leaderboard with its 95 % interval, all in [0, 1]; `encoder` is empty where there is none.

    `rank_low` to `rank_high` are the ranks that the data leave open among the models of its benchmark and control;
    references and recognition have none. `n_frames` is None where the model chooses itself.
    """

    model: str
    encoder: str
    benchmark: str
    metric: str
    value: float
    ci_low: float
    ci_high: float
    n: int
    answered_rate: float
    control: str = NO_CONTROL
    n_frames: int | None = None
    rank_low: int | None = None
    rank_high: int | None = None

    @property
    def line(self) -> "Line":
        """The line of the table it stands in."""
        return Line(self.model, self.encoder, self.control)


class Line(NamedTuple):
    """What a line of the leaderboard is about."""

    model: str
    encoder: str
    control: str

    @property
    def label(self) -> str:
        """Model, encoder and control in one."""
        name = label_of(self.model, self.encoder)
        return name if self.control == NO_CONTROL else f"{name} ({self.control})"


@dataclass(frozen=True, slots=True)
class ModelRun:
    """A model's answers, under one control and with one number of frames: benchmark -> predictions.

    `rotated` has those under every rotation of the choices, and `binaries` those of choices in twos, where a benchmark
    was asked so; `adapter` is what asked.
    """

    model: str
    encoder: str
    predictions: Mapping[str, Sequence[Prediction]]
    control: str = NO_CONTROL
    n_frames: int | None = None
    rotated: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)
    adapter: str = ""
    binaries: Mapping[str, Sequence[Prediction]] = field(default_factory=dict)

    @property
    def line(self) -> Line:
        """The line of the table that it fills."""
        return Line(self.model, self.encoder, self.control)

    @property
    def label(self) -> str:
        """Model and encoder in one."""
        return label_of(self.model, self.encoder)


@dataclass(frozen=True, slots=True)
class RecognizerRun:
    """A recognizer's class probabilities on the val clips."""

    model: str
    encoder: str
    predictions: ClassPredictions

    @property
    def label(self) -> str:
        """Model and encoder in one."""
        return label_of(self.model, self.encoder)


def label_of(model: str, encoder: str) -> str:
    """Model and encoder in one, as shown where there is room for one name only."""
    return f"{model} · {encoder}" if encoder else model
