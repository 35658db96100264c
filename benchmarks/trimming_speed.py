"""Time the cutting of clips at 456x256 out of raw videos of 720 lines: `python benchmarks/trimming_speed.py`."""

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

import av
import numpy as np
import psutil

from gymqa.arguments import call
from gymqa.atomic import write_json
from gymqa.errors import GymQAError
from gymqa.finegym.cutting import parse_box
from gymqa.finegym.trim import trim
from gymqa.runs import environment
from gymqa.sim.motion import FPS
from gymqa.sim.release import SETTING, ReleaseConfig, render_release
from gymqa.video import add_h264_stream

RAW = (1280, 720)  # as sharp as `gymqa finegym videos` asks for


def widescreen(source: Path, target: Path) -> float:
    """Write a square raw video of GymSim as 1280x720, its hall mirrored to both sides; returns its seconds.

    Frame by frame, for the whole video would not fit into memory at this size.
    """
    width, height = RAW
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


def main(
    videos: int = 4,
    box: str = "456x256",
    workers: int | None = None,
    json: Path = Path("benchmarks/results/trimming_speed.json"),
) -> None:
    """Render raw videos, make them widescreen, cut every clip annotated in them, and write how fast that went.

    Args:
        videos: raw videos.
        box: the clips' size.
        workers: processes; one for each core when not given.
        json: file of the figures.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        release = render_release(root / "gymsim", ReleaseConfig(videos, 1, videos, size=160))
        shutil.copytree(release / "annotations", root / "annotations")
        (root / "videos").mkdir()
        raw = sorted((release / "videos").glob("*.mp4"))
        seconds = sum(widescreen(path, root / "videos" / path.name) for path in raw)
        began = time.monotonic()
        with largest_worker() as memory:
            wanted = root / "annotations" / f"{SETTING}_train_element.txt"
            report = trim(root, [wanted], box=parse_box(box), workers=workers)
        took = time.monotonic() - began
    if report.failed:
        raise GymQAError(f"{len(report.failed)} clips were not made: {report.failed[0].reason}")
    figures = {
        "clips_per_second": round(len(report.made) / took, 2),
        "frames_per_second": round(sum(made.frames for made in report.made) / took, 1),
        "raw_seconds_per_second": round(seconds / took, 2),
        "seconds": round(took, 2),
        "largest_worker_mib": round(memory[0]),
        "clips": len(report.made),
        "clip_size": " ".join(sorted({f"{made.width}x{made.height}" for made in report.made})),
        "clip_seconds": round(sum(made.duration for made in report.made), 1),
        "raw_videos": len(raw),
        "raw_size": f"{RAW[0]}x{RAW[1]}",
        "raw_seconds": round(seconds, 1),
        "workers": workers or os.cpu_count(),
        "environment": environment(),
    }
    write_json(json, figures)
    print({name: figures[name] for name in list(figures)[:5]})


if __name__ == "__main__":
    call(main, sys.argv[1:], "trimming_speed.py")
