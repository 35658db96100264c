"""Choose the torch device: CPU or GPU (a file of its own: it imports torch, the rest of runtime does not)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from gymqa.errors import GymQAError

_USE_CPU = "ACCELERATE_USE_CPU"


def choose_device(name: str | None = None) -> str:
    """Check a device name (cpu, cuda, cuda:1, …); without a name choose the GPU if there is one, else the CPU.

    Raises:
        GymQAError: this machine has no such device.
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
    """The device of this process: `cuda` becomes its local rank's GPU when there are several processes."""
    local = os.environ.get("LOCAL_RANK")
    return f"cuda:{local}" if name == "cuda" and local is not None else name


@contextmanager
def accelerate_on(device: str) -> Iterator[None]:
    """Make accelerate use this device inside the block; by default it uses the GPU whenever there is one."""
    before = os.environ.get(_USE_CPU)
    if device == "cpu":
        os.environ[_USE_CPU] = "true"
    try:
        yield
    finally:
        os.environ.pop(_USE_CPU, None)
        if before is not None:
            os.environ[_USE_CPU] = before
