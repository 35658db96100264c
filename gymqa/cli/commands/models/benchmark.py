"""`gymqa benchmark`: measure clips per second, parameters and multiply-adds of the recognizers on this machine."""

from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from gymqa.errors import GymQAError
from gymqa.runtime.registry import is_plug_in

if TYPE_CHECKING:
    from recognizers.profiling import Speed


def backbones(
    only: list[str] | None = None,
    batch: int = 1,
    device: str | None = None,
    seconds: float = 5.0,
    precision: str = "auto",
    bf16: bool = False,
    json: Path | None = None,
) -> None:
    """Measure recognizers at their own input size: clips per second (forward, training), parameters, multiply-adds.

    Frames are random and already on the device, so that only the network is measured. Clips per second are those of the
    median pass after one warm-up pass; the file records the number of passes. Multiply-adds are those of one clip's
    forward pass (half the floating-point operations of torch's counter), which papers mostly call FLOPs. Recognizers
    that do not fit into memory are listed at the end with the reason; each is measured in its own process.

        gymqa benchmark backbones --only 'tsn_*' sefar_tiny --batch 4
        gymqa benchmark backbones --device cuda --batch 8 --precision bf16 --json benchmarks/results/backbones.json

    Args:
        only: names of `gymqa list recognizers`, patterns, or package.module:function; all without it.
        batch: batch size in clips.
        device: cpu, cuda, cuda:1, …; by default the GPU if there is one.
        seconds: minimum duration of each measurement; at least three passes are measured.
        precision: auto, float32 or bf16; auto is bf16 where the device computes it fast, else float32.
        bf16: older name of --precision bf16.
        json: JSON file to write as well.
    """
    from gymqa.io.files import write_json
    from gymqa.runtime.devices import choose_device
    from gymqa.runtime.fast_precision import choose_precision
    from gymqa.runtime.precision import BF16, bf16_or
    from gymqa.runtime.runs import environment
    from recognizers.profiling import Setting, measure_backbones

    if batch < 1 or seconds <= 0:
        raise GymQAError(f"--batch {batch} must be 1 or more, and --seconds {seconds} above 0")
    names, device_name = _chosen(only or ["*"]), str(choose_device(device))
    computed = choose_precision(bf16_or(precision, bf16), device_name)
    print(computed)
    found: list[Speed] = []
    width = max(map(len, names))
    print(f"{'':<{width}}  {'M parameters':>12}  {'G multiply-adds':>15}  {'forward/s':>9}  {'training/s':>10}")
    for speed in measure_backbones(
        [Setting(name, batch, device_name, seconds, computed.name == BF16) for name in names]
    ):
        found.append(speed)
        print(_line(speed, width), flush=True)
    for speed in found:
        if speed.lost:
            print(f"did not fit into memory: {speed.name}: {speed.lost}")
    if json is not None:
        conditions = {
            "batch": batch,
            "device": device_name,
            "bf16": computed.name == BF16,
            "seconds": seconds,
            "environment": environment(device=device_name, precision=computed),
        }
        write_json(json, {**conditions, "backbones": [asdict(speed) for speed in found]})


def _chosen(patterns: list[str]) -> list[str]:
    """The recognizers whose names match a pattern.

    Raises:
        GymQAError: a pattern matches none.
    """
    from recognizers.backbones.registry import RECOGNIZERS, list_models

    own = [pattern for pattern in patterns if is_plug_in(pattern)]
    for name in own:
        RECOGNIZERS.load(name)  # refused before the others are measured
    for pattern in patterns:
        if pattern not in own and not any(fnmatch(name, pattern) for name in list_models()):
            raise GymQAError(f"no recognizer is named {pattern!r}; gymqa list recognizers shows all")
    return [*(name for name in list_models() if any(fnmatch(name, pattern) for pattern in patterns)), *own]


def _line(speed: "Speed", width: int) -> str:
    """A row of the table; – for values that were not measured."""
    clips = ["–" if rate is None else f"{rate:.2f}" for rate in (speed.forward, speed.training)]
    counts = f"{speed.parameters / 1e6:>12.2f}  {speed.giga_multiply_adds:>15.2f}"
    return f"{speed.name:<{width}}  {counts}  {clips[0]:>9}  {clips[1]:>10}"


COMMAND = {"backbones": backbones}
