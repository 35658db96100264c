"""Time, memory and floating-point operations of work on a GPU (or a CPU), against what its matrix products reach."""

import gc
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch
from bench_ssl_step import seconds_of
from torch.utils.flop_counter import FlopCounterMode

DATA_SHEET = {
    "B200": 2250.0, "H200": 989.0, "H100 PCIe": 756.0, "H100 NVL": 835.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0,
    "L40": 181.0, "L4": 121.0, "A10G": 70.0, "A10": 125.0, "A6000": 155.0, "RTX 4090": 165.0, "RTX 3090": 71.0,
}  # fmt: skip
"""Dense bf16 TFLOP/s by NVIDIA's data sheets, of the first name that the GPU's contains."""


def data_sheet_peak(name: str) -> float | None:
    """Dense bf16 TFLOP/s of a GPU by its name; None where it is not known."""
    return next((peak for part, peak in DATA_SHEET.items() if part.lower() in name.lower()), None)


def bf16_peak(device: torch.device, side: int) -> dict[str, float | None]:
    """TFLOP/s of a square bf16 matrix product as measured, and the GPU's by its data sheet."""
    left, right = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = [seconds_of(lambda: left @ right, device) for _ in range(8)]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    return {"measured": four_digits(2 * side**3 / min(seconds) / 1e12), "data_sheet": data_sheet_peak(name)}


def four_digits(value: float) -> float:
    """The value with four significant digits."""
    return float(f"{value:.4g}")


def free_memory(device: torch.device) -> None:
    """Give back what nobody holds any more, and begin the peak of memory anew."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> float | None:
    """Largest GPU memory of tensors since `free_memory`, GiB; None on a CPU."""
    return round(torch.cuda.max_memory_allocated(device) / 2**30, 2) if device.type == "cuda" else None


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of one call, of matrix products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def timed(work: Callable[[], object], device: torch.device, rounds: int, what: str, number: int) -> dict[str, Any]:
    """Seconds of calls, how many of `what` a second in the median, and memory; the first two calls are not timed.

    Args:
        work: one call handles `number` of `what`.
        device: is waited for.
        rounds: timed calls; before a single one, one is not timed.
        what: clips, tokens or questions.
        number: of them in a call.
    """
    for _ in range(min(2, rounds)):
        work()
    seconds = [seconds_of(work, device) for _ in range(rounds)]
    middle = median(seconds)
    return {
        f"{what}_per_second": four_digits(number / middle),
        "seconds": [round(one, 5) for one in seconds],
        "memory_gib": peak_memory(device),
    }


def share_of_peak(flops: int, found: Mapping[str, Any], peak: Mapping[str, float | None]) -> dict[str, float | None]:
    """TFLOP/s of timed work, and as shares of the bf16 peak: of the data sheet's, and of the measured one."""
    reached = flops / median(found["seconds"]) / 1e12
    shares = {f"share_of_{name}_peak": four_digits(reached / one) if one else None for name, one in peak.items()}
    return {"tflops_per_second": four_digits(reached), **shares}


def attempt(work: Callable[[], Mapping[str, Any]], device: torch.device) -> dict[str, Any]:
    """What the work found, or why it failed: too little memory for one way is no reason to leave the others out."""
    free_memory(device)
    try:
        return dict(work())
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}


def largest_batch(work: Callable[[int], Mapping[str, Any]], batch: int, device: torch.device) -> dict[str, Any]:
    """The work with a batch size, or half, a quarter, … of it where the memory is too small; that size besides."""
    found = attempt(lambda: work(batch), device)
    if batch > 1 and found.get("failed", "").startswith("OutOfMemoryError"):
        return largest_batch(work, batch // 2, device)
    return {"batch": batch, **found}
