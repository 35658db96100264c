"""Ask one GPU everything, in twenty minutes at most: `python benchmarks/gpu_report.py`.

The semi-supervised step, loading, extraction, tuning and answering with a 7 B language model, FSDP2. Each part is
written to benchmarks/results/<gpu>/gpu_report.json when it is done; the same command goes on where it was stopped.
"""

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from parts_record import PartsRecord, chosen_parts, results_folder

sys.path.insert(0, str(Path(__file__).resolve().parent / "speed"))  # as the parts find one another
import gpu_llm_parts
import gpu_video_parts
from gpu_measuring import bf16_peak, free_memory

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.runtime.devices import choose_device

RESULTS = Path("benchmarks/results")
Part = Callable[[Any, torch.device, Mapping[str, float | None]], dict[str, Any]]
VIDEO_PARTS: dict[str, Part] = {
    "sefar_s_step": gpu_video_parts.step_of("sefar_s"),
    "sefar_b_step": gpu_video_parts.step_of("sefar_b"),
    "loading": gpu_video_parts.loading,
    "extraction": gpu_video_parts.extraction,
}
LLM_PARTS: dict[str, Part] = {
    "tuning_r64": gpu_llm_parts.tuning_of(64),
    "tuning_r128": gpu_llm_parts.tuning_of(128),
    "answering": gpu_llm_parts.answering,
    "fsdp2": gpu_llm_parts.fsdp2,
}
"""Parts by name; each takes its scale, the device and the bf16 peak."""


def parts(smallest: bool) -> Mapping[str, Callable[[torch.device, Mapping[str, float | None]], dict[str, Any]]]:
    """All parts at their sizes."""
    video = gpu_video_parts.SMALLEST if smallest else gpu_video_parts.FULL
    llm = gpu_llm_parts.SMALLEST if smallest else gpu_llm_parts.FULL
    return {name: partial(part, video) for name, part in VIDEO_PARTS.items()} | {
        name: partial(part, llm) for name, part in LLM_PARTS.items()
    }


def main(
    only: list[str] = [],  # noqa: B006  only read
    again: bool = False,
    smallest: bool = False,
    device: str | None = None,
    results: Path = RESULTS,
    out: Path | None = None,
    minutes: float = 20.0,
) -> None:
    """Measure a GPU part by part.

    Args:
        only: names of the parts, all if none are given.
        again: measure those anew that are finished for this commit.
        smallest: tiny models and one round, in seconds and on a CPU too, to see that everything runs.
        device: the GPU; a CPU with `smallest` alone.
        results: folder in which this machine's folder is made.
        out: file of the figures; <results>/<gpu>/gpu_report.json (gpu_report_smallest.json) when not given.
        minutes: after which no further part is begun; the same command goes on with it.
    """
    chosen = torch.device(choose_device(device))
    if chosen.type == "cpu" and not smallest:
        raise GymQAError("there is no GPU to measure; --smallest runs every part on a CPU")
    work, settings = parts(smallest), {"smallest": smallest}
    names = chosen_parts(only, list(work))
    file = "gpu_report_smallest.json" if smallest else "gpu_report.json"
    record = PartsRecord(out or results_folder(results, str(chosen)) / file, str(chosen))
    left = [name for name in names if again or not record.finished(name, settings)]
    began, peak = time.monotonic(), bf16_peak(chosen, 64 if smallest else 8192) if left else {}
    with progress_bar("parts of the report", len(names), len(names) - len(left)) as bar:
        for name in left:
            if time.monotonic() - began > 60 * minutes:
                console.print(f"{minutes:g} minutes are over; the same command goes on with {name}", highlight=False)
                break
            record.measure(name, settings, lambda: {**work[name](chosen, peak), "bf16_tflops_peak": peak})  # noqa: B023
            free_memory(chosen)
            bar.advance()
    console.print(f"figures: {record.path}", highlight=False, soft_wrap=True)
    for name in names:
        if figures := record.figures(name):
            print(name, *lines(figures), sep="\n  ")
    record.require_all(names)


def lines(figures: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A part's figures, one a line, nested ones with their keys joined by full stops."""
    found = []
    for key, value in figures.items():
        if isinstance(value, Mapping):
            found += lines(value, f"{prefix}{key}.")
        elif key != "seconds":
            found.append(f"{prefix}{key}: {value}")
    return found


if __name__ == "__main__":
    sys.exit(run_script(main, "gpu_report.py"))
