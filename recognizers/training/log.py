"""Log of a training: progress bar, metrics.jsonl, speed.jsonl, and an experiment tracker.

metrics.jsonl depends on settings and clips only, so that two runs can be compared line by line; speed.jsonl depends on
the machine.
"""

import importlib.util
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from accelerate import Accelerator

from gymqa.errors import GymQAError
from gymqa.io.console import ProgressBar, console
from gymqa.runtime.precision import Precision
from gymqa.runtime.runs import MetricsLog, Run, resolved
from recognizers.loader import Loading

_PROJECT = {"tensorboard": "tensorboard", "wandb": "gymqa"}  # a subfolder of the run, and a project on W&B


class LogSettings(Protocol):
    """Settings of the log, which recognizers' and language models' training settings have."""

    @property
    def seed(self) -> int:
        """Seed of all random numbers."""

    @property
    def log_every(self) -> int:
        """Steps between log lines."""

    @property
    def workers(self) -> int:
        """Loader threads."""

    @property
    def tracker(self) -> str:
        """Experiment tracker: tensorboard, wandb or none."""


@dataclass(frozen=True)
class Training:
    """A training as its log needs it.

    Attributes:
        name: name of the algorithm or model, for the last log line.
        settings: written to config.yaml.
        steps: total number of steps.
        precision: in which it computes.
        option: prefix of the settings' command-line options.
    """

    name: str
    settings: LogSettings
    steps: int
    precision: Precision
    option: str = "training"


def tracker_for(name: str) -> str | None:
    """The tracker's name for accelerate; None without one.

    TensorBoard is the default; where it is not installed, a hint is printed and no tracker is used.

    Raises:
        GymQAError: Weights & Biases is requested but not installed.
    """
    if name == "none" or importlib.util.find_spec(name) is not None:
        return None if name == "none" else name
    if name == "wandb":
        raise GymQAError("Weights & Biases is not installed; pip install 'gymqa[wandb]', or choose another tracker")
    return None


@dataclass(frozen=True, slots=True)
class _LastLogged:
    """Time of the last speed line, and the seconds waited for batches until then."""

    time: float
    waited: float


class TrainingLog:
    """The log of one run, written by the main process.

    Args:
        training: name, settings and steps.
        out: the run's folder.
        accelerator: its trackers receive the values; made with `tracker_for`.
        step: first step of this process.
        bar: advances with every step.
    """

    def __init__(self, training: Training, out: Path, accelerator: Accelerator, step: int, bar: ProgressBar) -> None:
        self._training, self._config, self._accelerator, self._bar = training, training.settings, accelerator, bar
        self._run = Run(out, self._config, self._config.seed, str(accelerator.device), training.precision)
        self._run.log(str(training.precision))
        self._metrics = MetricsLog(out / "metrics.jsonl", step)
        self._speed = MetricsLog(out / "speed.jsonl", step)
        self._last, self._clips = _LastLogged(time.perf_counter(), 0.0), 0  # `_clips` counts since then
        self._began, self._first = time.perf_counter(), step
        self._start_tracker(out, step)

    def _start_tracker(self, out: Path, step: int) -> None:
        """Start the tracker, or print that it is not installed."""
        name = tracker_for(self._config.tracker)
        if name is None:
            if self._config.tracker != "none":
                console.print(
                    "TensorBoard is not installed; the metrics are in metrics.jsonl only "
                    f"(pip install 'gymqa\\[tensorboard]', or --{self._training.option}.tracker none)",
                    highlight=False,
                )
            return
        settings = {"purge_step": step + 1} if name == "tensorboard" else {"name": out.name, "dir": str(out)}
        values = resolved(self._config) if name == "wandb" else None
        self._accelerator.init_trackers(_PROJECT[name], values, {name: settings})

    def step(
        self, step: int, values: Mapping[str, float], found: Mapping[str, float], clips: int, loading: Loading
    ) -> None:
        """Log a finished step.

        Args:
            step: number of finished steps.
            values: losses and other scalars, logged every `log_every` steps and at the last.
            found: accuracies on the val clips, logged whenever there are any.
            clips: number of clips of the step, over all processes.
            loading: loader statistics of this process since its start.
        """
        self._bar.advance(note=f"loss {values['loss']:.3f}")
        self._clips += clips
        due = step % self._config.log_every == 0 or step == self._training.steps
        logged = {**(values if due else {}), **found}
        if logged:
            self._metrics.add(step, **logged)
            self._accelerator.log(logged, step)
        if due:
            self._log_speed(step, loading)

    def _log_speed(self, step: int, loading: Loading) -> None:
        """Log clips a second of the training since the last line, and of the loader, which should be faster."""
        now = time.perf_counter()
        lanes = max(1, self._config.workers) * self._accelerator.num_processes
        speed = {
            "training_clips_per_s": round(self._clips / (now - self._last.time), 3),
            "loader_clips_per_s": round(lanes * loading.clips / loading.busy, 3),
            "waited_s": round(loading.waited - self._last.waited, 3),
        }
        self._speed.add(step, **speed)
        self._accelerator.log(speed, step)
        self._last, self._clips = _LastLogged(now, loading.waited), 0

    def finish(self) -> None:
        """Log that the training is finished."""
        steps, seconds = self._training.steps - self._first, time.perf_counter() - self._began
        processes = self._accelerator.num_processes
        shared = f" in {processes} processes" if processes > 1 else ""
        self._run.log(f"trained {self._training.name}: {steps} steps{shared} in {seconds:.1f} s")
