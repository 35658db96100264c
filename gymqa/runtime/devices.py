"""Which device computes: the one asked for, this process's own GPU, or what there is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gymqa.errors import GymQAError

_USE_CPU = "ACCELERATE_USE_CPU"


def choose_device(name: str | None = None) -> str:
    """The device of this name (cpu, cuda, cuda:1, …); without a name the GPU, where there is one.

    Raises:
        GymQAError: no such device on this machine.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise GymQAError(f"there is no device {name!r} on this machine; choose cpu or another") from error
    return name


def own_device(name: str) -> str:
    """The device of this one of several processes: its own GPU where all were given `cuda`."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if name == "cuda" and local is not None else name


@contextmanager
def accelerate_on(device: str) -> Iterator[None]:
    """Inside the block, accelerate takes this device: left alone, it takes the GPU wherever there is one."""
    before = os.environ.get(_USE_CPU)
    if device == "cpu":
        os.environ[_USE_CPU] = "true"
    try:
        yield
    finally:
        os.environ.pop(_USE_CPU, None)
        if before is not None:
            os.environ[_USE_CPU] = before
