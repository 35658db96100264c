"""How quick recognizers are, and what they compute, at the input that each is made for."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from gymqa.guarded import Limits, Lost, guarded_map
from recognizers.backbones.registry import CLASSES, create_model, model_config
from recognizers.recognizer import Recognizer

UNCOUNTED = 1  # steps before the clock runs: memory is claimed, kernels are chosen


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured.

    Attributes:
        name: of the recognizer.
        batch: clips at a time.
        device: cpu, cuda, cuda:1, …
        seconds: at least so long, each of forward and training.
        bf16: compute in bfloat16.
    """

    name: str
    batch: int
    device: str
    seconds: float
    bf16: bool = False


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured.

    Attributes:
        name: of the recognizer.
        parameters: at 99 classes.
        giga_multiply_adds: of one clip's forward pass, in 1e9; what papers call FLOPs is mostly these.
        frames: of a clip.
        input_size: pixels of a side.
        forward: clips a second in evaluation; None where it did not fit.
        training: clips a second of forward, backward and SGD; None where it did not fit.
        lost: why something did not fit; "" where all did.
    """

    name: str
    parameters: int
    giga_multiply_adds: float
    frames: int
    input_size: int
    forward: float | None = None
    training: float | None = None
    lost: str = ""


def measure_backbones(settings: Sequence[Setting]) -> Iterator[Speed]:
    """Measure one recognizer after the other, each in a process whose end, for want of memory, ends no other's.

    Yields:
        One for each setting, in their order.
    """
    for setting, found in zip(settings, guarded_map(measure, settings, 1, Limits(), _begin), strict=True):
        yield counted(setting.name, lost=found.reason) if isinstance(found, Lost) else found


def _begin() -> None:
    """All that a process has to do before its first recognizer is to import this file."""


def measure(setting: Setting) -> Speed:
    """Measure a recognizer in this process; memory that does not suffice is part of what is found."""
    device = torch.device(setting.device)
    config = model_config(setting.name)
    speeds: dict[str, float] = {}
    lost = ""
    for what, one_pass in (("forward", _forward), ("training", _training)):
        try:
            torch.manual_seed(0)
            model = create_model(setting.name).to(device)
            frames = torch.rand(setting.batch, *config.input_shape, device=device) * 2 - 1
            with torch.autocast(device.type, torch.bfloat16, enabled=setting.bf16):
                seconds = _seconds_a_pass(one_pass(model, frames), setting.seconds, device)
            speeds[what] = setting.batch / seconds
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if "memory" not in str(error):
                raise
            lost = f"{what} in batches of {setting.batch}: {str(error).splitlines()[0]}"
        model = frames = one_pass = None  # type: ignore[assignment]  # the next one needs the room
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return counted(setting.name, **speeds, lost=lost)


def counted(name: str, forward: float | None = None, training: float | None = None, lost: str = "") -> Speed:
    """What can be said of a recognizer from shapes alone, beside what was measured."""
    config = model_config(name)
    with torch.device("meta"):
        model = create_model(name, n_classes=CLASSES).eval()
        frames = torch.empty(1, *config.input_shape)
    parameters = sum(one.numel() for one in model.parameters())
    return Speed(name, parameters, multiply_adds(model, frames) / 1e9, config.frames, config.image_size,
                 forward, training, lost)  # fmt: skip


@torch.no_grad()
def multiply_adds(model: nn.Module, frames: torch.Tensor) -> float:
    """Of one forward pass: half of torch's floating-point operations, which are those of convolutions and products."""
    with FlopCounterMode(display=False) as counter:
        model(frames)
    return counter.get_total_flops() / 2


def _forward(model: Recognizer, frames: torch.Tensor) -> Callable[[], None]:
    """One pass in evaluation."""
    model.eval()

    @torch.inference_mode()
    def one_pass() -> None:
        model(frames)

    return one_pass


def _training(model: Recognizer, frames: torch.Tensor) -> Callable[[], None]:
    """One step of SGD."""
    model.train()
    labels = torch.zeros(len(frames), dtype=torch.long, device=frames.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)

    def one_pass() -> None:
        loss = F.cross_entropy(model(frames).float(), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return one_pass


def _seconds_a_pass(one_pass: Callable[[], None], at_least: float, device: torch.device) -> float:
    """The mean over as many passes as fill the time; the device is waited for."""
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
    for _ in range(UNCOUNTED):
        one_pass()
    wait()
    start, passes = time.perf_counter(), 0
    while passes == 0 or time.perf_counter() - start < at_least:
        one_pass()
        wait()
        passes += 1
    return (time.perf_counter() - start) / passes
