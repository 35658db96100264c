"""Measure every speed claim again, each benchmark in its short form: `python benchmarks/all_speeds.py`.

The short forms take some eight minutes on two cores. The figures are in
benchmarks/results/<machine>/speeds.json after each benchmark, and the table beside the committed results is printed as
Markdown, for docs/speed.md.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parts_record import PartsRecord, chosen_parts, results_folder
from speed_claims import BENCHMARKS, Benchmark

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.io.files import read_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.machine import BF16_FLAGS, cpu_flags, cpu_model, machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path("benchmarks/results")
NO_FIGURE = "–"


def run_short_form(name: str, benchmark: Benchmark) -> dict[str, Any]:
    """Run a benchmark's short form in a process of its own, without touching its result file; what it wrote.

    Raises:
        GymQAError: it failed; with the last line that it printed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        script = ROOT / "benchmarks" / "speed" / f"{name}.py"
        command = [sys.executable, str(script), *benchmark.short, f"--{benchmark.output}={out}"]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if ran.returncode:
            said = (ran.stderr.strip() or ran.stdout.strip() or f"status {ran.returncode}").splitlines()[-1]
            raise GymQAError(f"{name}.py {' '.join(benchmark.short)}: {said.removeprefix('gymqa: ')}")
        figures: dict[str, Any] = read_json(out)
        return figures


def measured(name: str, benchmark: Benchmark) -> dict[str, float]:
    """The claims' figures from the short form.

    Raises:
        GymQAError: it failed, or lacks a claim's figure.
    """
    figures = run_short_form(name, benchmark)
    found = {claim.text: claim.value(figures) for claim in benchmark.claims}
    missing = [text for text, value in found.items() if value is None]
    if missing:
        raise GymQAError(f"{name}.py wrote no figure for {missing[0]!r}; mend benchmarks/speed_claims.py")
    return {text: value for text, value in found.items() if value is not None}


def measured_on(result: Mapping[str, Any], benchmark: Benchmark) -> str:
    """The machine of a committed result."""
    about = result.get("environment", {}).get("machine", {})
    if "flags" not in about:  # written before records named the CPU
        return benchmark.measured_on
    return ", ".join([*about["gpus"], about["processor"], f"{about['cores']} cores"])


def this_machine() -> str:
    """GPUs, CPU, cores, and the instruction set for bf16 of this machine."""
    about, fast = machine(), [flag for flag in BF16_FLAGS if flag in cpu_flags()]
    return ", ".join([*about["gpus"], cpu_model(), f"{about['cores']} cores", *fast[:1]])


def cell(value: float | None, unit: str) -> str:
    """A figure with three digits and its unit."""
    if value is None:
        return NO_FIGURE
    return f"{value:,.0f} {unit}" if abs(value) >= 100 else f"{value:.3g} {unit}"


def table(record: PartsRecord, results: Path) -> str:
    """The claims as a Markdown table: claim, committed figure, its machine, this machine."""
    rows = [["claim", "older result", "measured on", f"this machine: {this_machine()}"], ["---"] * 4]
    for name, benchmark in BENCHMARKS.items():
        path = results / f"{name}.json"
        older = read_json(path) if path.exists() else {}
        on = measured_on(older, benchmark) if older else NO_FIGURE
        here = record.figures(name)
        for claim in benchmark.claims:
            now = "failed" if record.failed(name) else cell(here.get(claim.text), claim.unit)
            rows.append([claim.text, cell(claim.value(older), claim.unit), on, now])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main(
    only: list[str] = [],  # noqa: B006  only read
    again: bool = False,
    show: bool = False,
    results: Path = RESULTS,
    out: Path | None = None,
) -> None:
    """Run the short forms of the speed benchmarks, and print their ratios beside the committed ones.

    Args:
        only: names of the benchmarks to run, all if none are given.
        again: run those anew that are finished for this commit.
        show: print the table of what is measured already, and run nothing.
        results: folder of the committed results, in which this machine's folder is made.
        out: file of this machine's figures; <results>/<machine>/speeds.json when not given.
    """
    device = choose_device()
    names = chosen_parts(only, list(BENCHMARKS))
    record = PartsRecord(out or results_folder(results, device) / "speeds.json", device)
    if not show:
        left = [one for one in names if again or not record.finished(one, {"short": [*BENCHMARKS[one].short]})]
        with progress_bar("speed benchmarks", len(names), len(names) - len(left)) as bar:
            for name in left:
                short = {"short": [*BENCHMARKS[name].short]}
                record.measure(name, short, lambda: measured(name, BENCHMARKS[name]))  # noqa: B023  called at once
                bar.advance()
        console.print(f"figures: {record.path}", highlight=False, soft_wrap=True)
    print(table(record, results), end="")
    if older := record.of_other_commits():
        console.print(f"measured at another commit: {', '.join(older)}", highlight=False, soft_wrap=True)
    if not show:
        record.require_all(names)


if __name__ == "__main__":
    sys.exit(run_script(main, "all_speeds.py"))
