"""`gymqa benchmark`: how quick the parts are on this machine."""

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
    bf16: bool = False,
    json: Path | None = None,
) -> None:
    """Measure recognizers at the input each is made for: clips a second, forward and training, and what they compute.

    Frames are random and already on the device, so that nothing else is measured. Clips a second are of the median
    pass, after one that is not counted; the file says how many passes there were. Multiply-adds are of one clip's
    forward pass (torch's counter; half of its floating-point operations), which papers mostly call FLOPs. What does not
    fit into memory stands at the end, with the reason; each recognizer is measured in a process of its own.

        gymqa benchmark backbones --only 'tsn_*' sefar_tiny --batch 4
        gymqa benchmark backbones --device cuda --batch 8 --bf16 --json benchmarks/results/backbones.json

    Args:
        only: names of `gymqa list recognizers`, patterns, or package.module:function; all without it.
        batch: clips at a time.
        device: cpu, cuda, cuda:1, …; without it the GPU, where there is one.
        seconds: for which each of forward and training is repeated, at least; three passes in any case.
        bf16: compute in bfloat16.
        json: file to write, too.
    """
    from gymqa.io.files import write_json
    from gymqa.runtime.devices import choose_device
    from gymqa.runtime.runs import environment
    from recognizers.profiling import Setting, measure_backbones

    if batch < 1 or seconds <= 0:
        raise GymQAError(f"batches of {batch} clips for {seconds} s measure nothing; give 1 or more, and more than 0")
    names, place = _chosen(only or ["*"]), str(choose_device(device))
    found: list[Speed] = []
    width = max(map(len, names))
    print(f"{'':<{width}}  {'M parameters':>12}  {'G multiply-adds':>15}  {'forward/s':>9}  {'training/s':>10}")
    for speed in measure_backbones([Setting(name, batch, place, seconds, bf16) for name in names]):
        found.append(speed)
        print(_line(speed, width), flush=True)
    for speed in found:
        if speed.lost:
            print(f"did not fit into memory: {speed.name}: {speed.lost}")
    if json is not None:
        told = {
            "batch": batch,
            "device": place,
            "bf16": bf16,
            "seconds": seconds,
            "environment": environment(device=place),
        }
        write_json(json, {**told, "backbones": [asdict(speed) for speed in found]})


def _chosen(patterns: list[str]) -> list[str]:
    """The recognizers whose names fit a pattern.

    Raises:
        GymQAError: none fits one of them.
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
    """What was measured, in columns; – where it was not."""
    clips = ["–" if rate is None else f"{rate:.2f}" for rate in (speed.forward, speed.training)]
    counts = f"{speed.parameters / 1e6:>12.2f}  {speed.giga_multiply_adds:>15.2f}"
    return f"{speed.name:<{width}}  {counts}  {clips[0]:>9}  {clips[1]:>10}"


COMMAND = {"backbones": backbones}
