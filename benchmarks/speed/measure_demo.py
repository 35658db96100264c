"""Run time and peak memory of `gymqa demo`, from scratch and resumed: `python benchmarks/speed/measure_demo.py`."""

import sys
from pathlib import Path

from watched_run import run_and_watch

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.files import read_json, write_json
from gymqa.runtime.precision import Precision
from gymqa.runtime.runs import environment


def main(out: Path = Path("runs/demo"), json: Path = Path("benchmarks/results/demo.json")) -> None:
    """Run the demo twice in a new folder; write its time, memory and results.

    Args:
        out: run folder; must not exist.
        json: file of the figures.
    """
    if out.exists():
        raise GymQAError(f"{out} is there already; name a new folder, for the first run is timed from nothing")
    command = [sys.executable, "-m", "gymqa.cli.main", "demo", "--out", str(out)]
    seconds, memory = run_and_watch(command)
    again, _ = run_and_watch(command)
    steps = {path.stem: read_json(path)["seconds"] for path in sorted((out / "steps").glob("*.json"))}
    clips = len(list((out / "release" / "subactions").glob("*.mp4")))
    ran = read_json(out / "environment.json")
    precision = Precision(ran["precision"], ran["precision_reason"])
    figures = {
        "seconds": round(seconds, 1),
        "seconds_second_run": round(again, 1),
        "peak_memory_gib": round(memory, 2),
        "rendering_clips_per_second": round(clips / steps["render"], 1),
        "seconds_by_step": steps,
        "rows": read_json(out / "leaderboard.json")["rows"],
        "environment": environment(ran["seed"], ran["device"], precision),
    }
    write_json(json, figures)
    print({name: figures[name] for name in list(figures)[:4]})


if __name__ == "__main__":
    sys.exit(run_script(main, "measure_demo.py"))
