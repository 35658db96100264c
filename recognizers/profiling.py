"""Speed (clips a second), parameters and multiply-adds of the registered recognizers at their own input size."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gymqa.runtime.workers import Limits, Lost, guarded_map
from recognizers.backbones.base import Recognizer
from recognizers.backbones.registry import CLASSES
from recognizers.factory import create_model, model_config

WARM_UP_PASSES = 1  # untimed passes: memory is allocated, kernels are chosen
MIN_PASSES = 3  # timed passes at least, so that the median is robust to an outlier


@dataclass(frozen=True, slots=True)
class Setting:
    """One measurement to make.

    Attributes:
        name: of the recognizer.
        batch: batch size.
        device: cpu, cuda, cuda:1, …
        seconds: measure at least so long, and MIN_PASSES times, for each of forward and training.
        bf16: compute in bfloat16.
    """

    name: str
    batch: int
    device: str
    seconds: float
    bf16: bool = False

    def autocast(self) -> AbstractContextManager[None]:
        """Autocast of one forward pass: a context caches cast weights, which a step changes."""
        kind = torch.device(self.device).type
        context: AbstractContextManager[None] = torch.autocast(kind, torch.bfloat16, enabled=self.bf16)
        return context


@dataclass(frozen=True, slots=True)
class Speed:
    """Result of one measurement.

    Attributes:
        name: of the recognizer.
        parameters: at 99 classes.
        giga_multiply_adds: of one clip's forward pass, in 1e9 (papers often call them FLOPs).
        frames: of a clip.
        input_size: pixels of a side.
        forward: clips a second of the median evaluation pass; None where memory did not suffice.
        training: clips a second of the median step (forward, backward, SGD); None likewise.
        forward_passes: number of timed passes.
        training_passes: likewise.
        lost: reason where it ran out of memory, else "".
    """

    name: str
    parameters: int
    giga_multiply_adds: float
    frames: int
    input_size: int
    forward: float | None = None
    training: float | None = None
    forward_passes: int = 0
    training_passes: int = 0
    lost: str = ""


def measure_backbones(settings: Sequence[Setting]) -> Iterator[Speed]:
    """Measure recognizers one after another in a worker process; running out of memory ends one measurement only.

    Yields:
        The results, in the order of the settings.
    """
    for setting, found in zip(settings, guarded_map(measure, settings, 1, Limits(), _import_only), strict=True):
        yield replace(count_cost(setting.name), lost=found.reason) if isinstance(found, Lost) else found


def _import_only() -> None:
    """Start a worker process: importing this module is all there is to do."""


def measure(setting: Setting) -> Speed:
    """Measure a recognizer in this process; running out of memory is reported in the result."""
    device = torch.device(setting.device)
    config = model_config(setting.name)
    speed = count_cost(setting.name)
    for what, one_pass in (("forward", _forward), ("training", _training)):
        try:
            torch.manual_seed(0)
            model = create_model(setting.name).to(device)
            frames = torch.rand(setting.batch, *config.input_shape, device=device) * 2 - 1
            seconds = _seconds_of_passes(one_pass(model, frames, setting), setting.seconds, device)
            found: dict[str, Any] = {what: setting.batch / median(seconds), f"{what}_passes": len(seconds)}
            speed = replace(speed, **found)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if "memory" not in str(error):
                raise
            reason = f"{what} in batches of {setting.batch}: {str(error).splitlines()[0]}"
            speed = replace(speed, lost=reason)
        model = frames = one_pass = None  # type: ignore[assignment]  # free the memory for the next one
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return speed


def count_cost(name: str) -> Speed:
    """Parameters, multiply-adds and input size of a recognizer, computed from shapes alone (meta device)."""
    config = model_config(name)
    with torch.device("meta"):
        model = create_model(name, n_classes=CLASSES).eval()
        frames = torch.empty(1, *config.input_shape)
    parameters = sum(one.numel() for one in model.parameters())
    return Speed(name, parameters, multiply_adds(model, frames) / 1e9, config.frames, config.image_size)


@torch.no_grad()
def multiply_adds(model: nn.Module, frames: torch.Tensor) -> float:
    """Multiply-adds of one forward pass: half of torch's count of floating-point operations."""
    with FlopCounterMode(display=False) as counter:
        model(frames)
    return counter.get_total_flops() / 2


def _forward(model: Recognizer, frames: torch.Tensor, setting: Setting) -> Callable[[], None]:
    """A closure that runs one evaluation pass."""
    model.eval()

    @torch.inference_mode()
    def one_pass() -> None:
        with setting.autocast():
            model(frames)

    return one_pass


def _training(model: Recognizer, frames: torch.Tensor, setting: Setting) -> Callable[[], None]:
    """A closure that runs one training step with SGD."""
    model.train()
    labels = torch.zeros(len(frames), dtype=torch.long, device=frames.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def one_pass() -> None:
        with setting.autocast():
            loss = F.cross_entropy(model(frames).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return one_pass


def _seconds_of_passes(one_pass: Callable[[], None], at_least: float, device: torch.device) -> list[float]:
    """Seconds of each timed pass: as many as fill the time, MIN_PASSES or more; synchronises the device."""
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
    for _ in range(WARM_UP_PASSES):
        one_pass()
    wait()
    seconds: list[float] = []
    while len(seconds) < MIN_PASSES or sum(seconds) < at_least:
        start = time.perf_counter()
        one_pass()
        wait()
        seconds.append(time.perf_counter() - start)
    return seconds
