"""How quick recognizers are, and what they compute, at the input that each is made for."""

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

UNCOUNTED = 1  # passes before the clock runs: memory is claimed, kernels are chosen
PASSES = 3  # at least, however slow: of one, nobody could say whether something else held it up


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured.

    Attributes:
        name: of the recognizer.
        batch: clips at a time.
        device: cpu, cuda, cuda:1, …
        seconds: at least so long, and PASSES times, each of forward and training.
        bf16: compute in bfloat16.
    """

    name: str
    batch: int
    device: str
    seconds: float
    bf16: bool = False

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of one forward pass: a context keeps the weights it has cast, which a step changes."""
        kind = torch.device(self.device).type
        context: AbstractContextManager[None] = torch.autocast(kind, torch.bfloat16, enabled=self.bf16)
        return context


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured.

    Attributes:
        name: of the recognizer.
        parameters: at 99 classes.
        giga_multiply_adds: of one clip's forward pass, in 1e9; what papers call FLOPs is mostly these.
        frames: of a clip.
        input_size: pixels of a side.
        forward: clips a second in evaluation, of the median pass; None where it did not fit.
        training: clips a second of forward, backward and SGD, of the median step; None where it did not fit.
        forward_passes: how many the median is of.
        training_passes: likewise.
        lost: why something did not fit; "" where all did.
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
    """Measure one recognizer after the other, each in a process whose end, for want of memory, ends no other's.

    Yields:
        One for each setting, in their order.
    """
    for setting, found in zip(settings, guarded_map(measure, settings, 1, Limits(), _begin), strict=True):
        yield replace(counted(setting.name), lost=found.reason) if isinstance(found, Lost) else found


def _begin() -> None:
    """All that a process has to do before its first recognizer is to import this file."""


def measure(setting: Setting) -> Speed:
    """Measure a recognizer in this process; memory that does not suffice is part of what is found."""
    device = torch.device(setting.device)
    config = model_config(setting.name)
    speed = counted(setting.name)
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
        model = frames = one_pass = None  # type: ignore[assignment]  # the next one needs the room
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return speed


def counted(name: str) -> Speed:
    """What can be said of a recognizer from shapes alone."""
    config = model_config(name)
    with torch.device("meta"):
        model = create_model(name, n_classes=CLASSES).eval()
        frames = torch.empty(1, *config.input_shape)
    parameters = sum(one.numel() for one in model.parameters())
    return Speed(name, parameters, multiply_adds(model, frames) / 1e9, config.frames, config.image_size)


@torch.no_grad()
def multiply_adds(model: nn.Module, frames: torch.Tensor) -> float:
    """Of one forward pass: half of torch's floating-point operations, which are those of convolutions and products."""
    with FlopCounterMode(display=False) as counter:
        model(frames)
    return counter.get_total_flops() / 2


def _forward(model: Recognizer, frames: torch.Tensor, setting: Setting) -> Callable[[], None]:
    """One pass in evaluation."""
    model.eval()

    @torch.inference_mode()
    def one_pass() -> None:
        with setting.autocast():
            model(frames)

    return one_pass


def _training(model: Recognizer, frames: torch.Tensor, setting: Setting) -> Callable[[], None]:
    """One step of SGD."""
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
    """Seconds of each of as many passes as fill the time, PASSES or more; the device is waited for."""
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
    for _ in range(UNCOUNTED):
        one_pass()
    wait()
    seconds: list[float] = []
    while len(seconds) < PASSES or sum(seconds) < at_least:
        start = time.perf_counter()
        one_pass()
        wait()
        seconds.append(time.perf_counter() - start)
    return seconds
