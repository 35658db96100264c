"""Choose the precision: bf16 where the device computes it fast, else float32 (its own file: it imports torch)."""

import time
from functools import cache

import torch

from gymqa.errors import GymQAError
from gymqa.runtime.machine import BF16_FLAGS, cpu_flags
from gymqa.runtime.precision import AUTO, BF16, FLOAT32, Precision, named

_SIDE, _ROUNDS = 384, 5  # of the timed matrix product: a few milliseconds in all


def choose_precision(asked: str, device: str, begun: str | None = None) -> Precision:
    """The precision in which to compute.

    Args:
        asked: auto, float32, bf16 or fp16, or an older name of one; fp16 is never chosen unasked.
        device: cpu, cuda, cuda:1, …
        begun: with auto, the precision in which an interrupted run began; it goes on in the same.

    Raises:
        GymQAError: the device cannot compute in the precision in which the run began.
    """
    if named(asked) != AUTO:
        return Precision(named(asked), "as asked")
    best = fast_precision(device)
    if begun is None or named(begun) == best.name:
        return best if begun is None else Precision(best.name, f"in which it began; {best.reason}")
    if not can_compute(begun, device):
        raise GymQAError(
            f"this run began in {named(begun)}, in which {device} cannot compute; go on where it began, or choose "
            "another folder"
        )
    return Precision(named(begun), f"in which it began; by itself this machine would choose {best.name}: {best.reason}")


def can_compute(precision: str, device: str) -> bool:
    """Whether the device computes in this precision at all, fast or not."""
    if named(precision) == FLOAT32 or torch.device(device).type != "cuda":
        return True
    return named(precision) != BF16 or torch.cuda.is_bf16_supported()


def fast_precision(device: str) -> Precision:
    """bf16 where the device computes it fast, else float32, with the reason."""
    kind = torch.device(device).type
    if kind == "cpu":
        return _on_cpu()
    if kind != "cuda":
        return Precision(FLOAT32, f"bf16 is not known to be fast on {kind}")
    major, minor = torch.cuda.get_device_capability(device)
    name = f"{torch.cuda.get_device_name(device)} has compute capability {major}.{minor}"
    if major < 8:
        return Precision(FLOAT32, f"{name}; bf16 is fast from 8.0")
    return Precision(BF16, name)


def _on_cpu() -> Precision:
    """As `fast_precision`: by the CPU's instruction sets, then by the clock, which knows what torch makes of them."""
    has = next((flag for flag in BF16_FLAGS if flag in cpu_flags()), None)
    if has is None:
        return Precision(FLOAT32, "this CPU has no bf16 unit")
    if not bf16_is_faster():
        return Precision(FLOAT32, f"this CPU has {has}, but torch's bf16 is the slower one here")
    return Precision(BF16, f"this CPU has {has}")


@cache
def bf16_is_faster() -> bool:
    """Whether a matrix product takes less time in bf16 than in float32 on this CPU; timed once a process."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(_SIDE, _SIDE, dtype=dtype)
        seconds[dtype] = min(_seconds_of_product(matrix) for _ in range(_ROUNDS))
    return seconds[torch.bfloat16] < seconds[torch.float32]


def _seconds_of_product(matrix: torch.Tensor) -> float:
    start = time.perf_counter()
    matrix @ matrix
    return time.perf_counter() - start
