"""Time trimming of 456x256 clips from raw videos: `python benchmarks/speed/trimming_speed.py`."""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from gymqa.cli.main import run_script
from gymqa.download.cutting import Box, parse_box
from gymqa.download.trim import trim
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list, write_element_list
from gymqa.frames.video import add_h264_stream
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment
from gymqa.sim.motion import FPS
from gymqa.sim.release import ReleaseConfig, render_release
from gymqa.sim.repertoire import DEMO


def widescreen(source: Path, target: Path, raw: Box) -> float:
    """Write a square raw video of GymSim as wide as `raw`, its hall mirrored to both sides; returns its seconds.

    Frame by frame, for the whole video would not fit into memory at this size.
    """
    width, height = raw
    side = (width - height) // 2
    with av.open(str(source)) as reader, av.open(str(target), "w", format="mp4") as writer:
        stream = add_h264_stream(writer, Fraction(FPS), width, height, preset="ultrafast")
        for frame in reader.decode(video=0):
            square = frame.reformat(height, height, "rgb24").to_ndarray().astype(np.uint8, copy=False)
            wide = np.pad(square, ((0, 0), (side, side), (0, 0)), mode="symmetric")
            writer.mux(stream.encode(av.VideoFrame.from_ndarray(wide, format="rgb24")))
        writer.mux(stream.encode(None))
        return reader.streams.video[0].frames / FPS


@contextmanager
def largest_worker() -> Iterator[list[float]]:
    """Watch the processes started in the block; the list's one entry is the memory of the largest, MiB."""
    largest, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    largest[0] = max(largest[0], process.memory_info().rss / 2**20)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield largest
    finally:
        over.set()
        watcher.join()


def _clips_of(videos: list[Path], annotations: Path) -> Path:
    """A list of the clips of these raw videos."""
    listed, names = annotations / f"{DEMO}_train_element.txt", {path.stem for path in videos}
    wanted = annotations / "wanted.txt"
    write_element_list(wanted, [clip for clip in read_element_list(listed) if clip.video_id in names])
    return wanted


def speed(release: Path, raw: Box, box: Box, workers: int | None, only: int | None = None) -> dict[str, Any]:
    """Make the release's raw videos (the first `only`) as large as `raw`, cut their clips, and say how fast that went.

    Raises:
        GymQAError: a clip was not made.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copytree(release / "annotations", root / "annotations")
        (root / "videos").mkdir()
        videos = sorted((release / "videos").glob("*.mp4"))[:only]
        seconds = sum(widescreen(path, root / "videos" / path.name, raw) for path in videos)
        began = time.monotonic()
        with largest_worker() as memory:
            report = trim(root, [_clips_of(videos, root / "annotations")], box=box, workers=workers)
        took = time.monotonic() - began
    if report.failed:
        raise GymQAError(f"{len(report.failed)} clips were not made: {report.failed[0].reason}")
    return {
        "clips_per_second": round(len(report.made) / took, 2),
        "frames_per_second": round(sum(made.frames for made in report.made) / took, 1),
        "raw_seconds_per_second": round(seconds / took, 2),
        "seconds": round(took, 2),
        "largest_worker_mib": round(memory[0]),
        "clips": len(report.made),
        "clip_size": " ".join(sorted({f"{made.width}x{made.height}" for made in report.made})),
        "clip_seconds": round(sum(made.duration for made in report.made), 1),
        "raw_videos": len(videos),
        "raw_seconds": round(seconds, 1),
    }


def main(
    videos: int = 6,
    raw: tuple[str, ...] = ("456x256", "1280x720"),
    box: str = "456x256",
    workers: int | None = None,
    json: Path = Path("benchmarks/results/trimming_speed.json"),
) -> None:
    """Render raw videos, make them widescreen, cut every clip annotated in them, and write how fast that went.

    Args:
        videos: raw videos.
        raw: their sizes, measured one after the other; `gymqa finegym videos` asks for 1280x720.
        box: the clips' size.
        workers: processes; one for each core when not given.
        json: file of the figures.
    """
    with tempfile.TemporaryDirectory() as folder:
        release = render_release(Path(folder) / "gymsim", ReleaseConfig(videos, 1, videos, size=160))
        found = {size: speed(release, parse_box(size), parse_box(box), workers) for size in raw}
        alone = speed(release, parse_box(raw[0]), parse_box(box), workers, only=1)["largest_worker_mib"]
    memory = {"one_raw_video": alone, f"{videos}_raw_videos": found[raw[0]]["largest_worker_mib"]}
    figures = {
        "by_raw_size": found,
        "largest_worker_mib": memory,
        "workers": workers or os.cpu_count(),
        "environment": environment(),
    }
    write_json(json, figures)
    print({size: one["clips_per_second"] for size, one in found.items()})


if __name__ == "__main__":
    sys.exit(run_script(main, "trimming_speed.py"))
