"""Time rendering of GymSim's 99 elements at 112 px: `python benchmarks/speed/rendering_speed.py`."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from watched_run import run_and_watch

from gymqa.cli.main import run_script
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment
from gymqa.runtime.workers import worker_count

SEED = 0


def main(
    json: Path = Path("benchmarks/results/rendering_speed.json"), videos: tuple[int, ...] = (20, 80), size: int = 112
) -> None:
    """Render releases of several sizes, one of them on one core too, and write clips a second and memory.

    Args:
        json: file of the figures.
        videos: training competitions of each release; about 34 clips each.
        size: pixels of a frame.
    """
    found = [rendered(count, size, worker_count(None)) for count in videos]
    alone = rendered(videos[0], size, 1)
    figures = {
        "size": size,
        "releases": found,
        "one_worker": alone,
        "speedup_of_all_workers": round(found[0]["clips_per_second"] / alone["clips_per_second"], 2),
        "memory_ratio_largest_to_smallest": round(found[-1]["peak_memory_gib"] / found[0]["peak_memory_gib"], 2),
        "environment": environment(SEED),
    }
    write_json(json, figures)
    print(figures)


def rendered(videos: int, size: int, workers: int) -> dict[str, Any]:
    """Render a release of `videos` training competitions in a new process, start of Python included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "release"
        words = [f"--release.train_videos={videos}", "--release.val_videos=1", "--release.raw_videos=0"]
        words += ["--release.setting=gymsim99", f"--release.size={size}", f"--release.seed={SEED}"]
        command = [sys.executable, "-m", "gymqa.cli.main", "render", f"--out={out}", f"--workers={workers}", *words]
        seconds, memory = run_and_watch(command)
        clips = len(list((out / "subactions").glob("*.mp4")))
    return {
        "videos": videos,
        "workers": workers,
        "clips": clips,
        "seconds": round(seconds, 1),
        "clips_per_second": round(clips / seconds, 1),
        "peak_memory_gib": round(memory, 3),
    }


if __name__ == "__main__":
    sys.exit(run_script(main, "rendering_speed.py"))
