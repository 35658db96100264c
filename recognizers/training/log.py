"""What a training tells while it runs: the bar, metrics.jsonl, speed.jsonl, and a tracker.

metrics.jsonl holds what follows from settings and clips, so that two runs can be compared line by line; speed.jsonl
holds what depends on the machine.
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
from gymqa.runtime.runs import MetricsLog, Run, resolved
from recognizers.loader import Loading

_PROJECT = {"tensorboard": "tensorboard", "wandb": "gymqa"}  # a folder in the run's, and a project on W&B


class LogSettings(Protocol):
    """What a training's settings say about its log: the recognizers' and the language model's have it."""

    @property
    def seed(self) -> int:
        """Of everything that is drawn."""

    @property
    def log_every(self) -> int:
        """Steps between lines of metrics.jsonl."""

    @property
    def workers(self) -> int:
        """Threads that make batches."""

    @property
    def tracker(self) -> str:
        """Who gets the metrics besides metrics.jsonl: tensorboard, wandb or none."""


@dataclass(frozen=True)
class Training:
    """What is being trained.

    Attributes:
        name: of the algorithm or the model, for the log's last line.
        settings: written to config.yaml.
        steps: in all.
        option: of the command line, under which the settings stand.
    """

    name: str
    settings: LogSettings
    steps: int
    option: str = "training"


def tracker_for(name: str) -> str | None:
    """The tracker that accelerate is to start, by its name; None without one.

    TensorBoard is the default, so a machine without it gets a hint only.

    Raises:
        GymQAError: Weights & Biases is asked for and not installed.
    """
    if name == "none" or importlib.util.find_spec(name) is not None:
        return None if name == "none" else name
    if name == "wandb":
        raise GymQAError("Weights & Biases is not installed; pip install 'gymqa[wandb]', or choose another tracker")
    return None


@dataclass(frozen=True, slots=True)
class _Told:
    """When speed was told last, and the seconds waited for batches till then."""

    time: float
    waited: float


class TrainingLog:
    """The log of one run, kept by the main process.

    Args:
        training: what is trained.
        out: the run's folder.
        accelerator: whose trackers get the values; made with `tracker_for`.
        step: the step the run goes on from.
        bar: moves on with every step.
    """

    def __init__(self, training: Training, out: Path, accelerator: Accelerator, step: int, bar: ProgressBar) -> None:
        self._training, self._config, self._accelerator, self._bar = training, training.settings, accelerator, bar
        self._run = Run(out, self._config, self._config.seed, str(accelerator.device))
        self._metrics = MetricsLog(out / "metrics.jsonl", step)
        self._speed = MetricsLog(out / "speed.jsonl", step)
        self._told, self._clips = _Told(time.perf_counter(), 0.0), 0  # since when `_clips` counts
        self._began, self._first = time.perf_counter(), step
        self._start_tracker(out, step)

    def _start_tracker(self, out: Path, step: int) -> None:
        """Start the tracker, or say that it is not there."""
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
        """Tell of a step that is done.

        Args:
            step: number of steps done.
            values: losses and the like, logged every `log_every` steps and at the last.
            found: accuracies on the val clips, logged whenever there are some.
            clips: how many clips the step learned from, over all processes.
            loading: what this process has loaded since the run was started.
        """
        self._bar.advance(note=f"loss {values['loss']:.3f}")
        self._clips += clips
        due = step % self._config.log_every == 0 or step == self._training.steps
        told = {**(values if due else {}), **found}
        if told:
            self._metrics.add(step, **told)
            self._accelerator.log(told, step)
        if due:
            self._tell_speed(step, loading)

    def _tell_speed(self, step: int, loading: Loading) -> None:
        """Clips a second of the training since the last line, and of the loader, which is to be the faster."""
        now = time.perf_counter()
        lanes = max(1, self._config.workers) * self._accelerator.num_processes
        told = {
            "training_clips_per_s": round(self._clips / (now - self._told.time), 3),
            "loader_clips_per_s": round(lanes * loading.clips / loading.busy, 3),
            "waited_s": round(loading.waited - self._told.waited, 3),
        }
        self._speed.add(step, **told)
        self._accelerator.log(told, step)
        self._told, self._clips = _Told(now, loading.waited), 0

    def finish(self) -> None:
        """Tell that the training is finished."""
        steps, seconds = self._training.steps - self._first, time.perf_counter() - self._began
        processes = self._accelerator.num_processes
        shared = f" in {processes} processes" if processes > 1 else ""
        self._run.log(f"trained {self._training.name}: {steps} steps{shared} in {seconds:.1f} s")
