"""Time reading 8 frames of a 720p clip by seeking, in one pass, from the cache: `benchmarks/speed/frame_cache.py`.

A sample is a training step's frames of a clip: uint8 [8, 256, 256, 3]. The methods are timed in turns, and medians over
the rounds are written: ratios are comparable between machines, milliseconds are not.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import decord
import numpy as np
from torch.utils.data import DataLoader, Dataset

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.frames.sampling import Indices, dual_level
from gymqa.frames.video import Frames, decode, square, write_video
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment

CLIPS, SIZE, MAX_FRAMES, FRAMES = 8, 256, 32, 100
BASE = "opencv_seeks_two_views"


def moving_texture(frames: int, height: int = 720, width: int = 1280) -> Frames:
    """A smooth texture under a panning camera, a bright disc flying over it: uint8 [T, H, W, 3] without noise."""
    coarse = np.random.default_rng(0).integers(40, 200, (height // 20, width // 10, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (2 * width, height), interpolation=cv2.INTER_CUBIC)
    video = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        video[t] = wide[:, 4 * t : 4 * t + width]
        place = (width * t // frames, round(height * (0.8 - 2.4 * t / frames * (1 - t / frames))))
        cv2.circle(video[t], place, height // 10, (240, 230, 60), -1, cv2.LINE_AA)
    return video


def opencv_seeks(path: Path, chosen: Indices) -> Frames:
    """Seek each frame with OpenCV, in one view."""
    capture, frames = cv2.VideoCapture(str(path)), []
    for number in chosen:
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(number))
        _, frame = capture.read()
        frames.append(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
    capture.release()
    return square(np.stack(frames).astype(np.uint8, copy=False), SIZE)


def two_views(path: Path, chosen: Indices) -> Frames:
    """SeFAR's released loader: opens the clip and seeks its frames once for each of the two views."""
    opencv_seeks(path, chosen)
    return opencv_seeks(path, chosen)


def decord_seeks(path: Path, chosen: Indices) -> Frames:
    """A new decord reader for each sample, and every frame by its number (decord goes on from where it is)."""
    reader = decord.VideoReader(str(path), num_threads=1)
    return square(np.stack([reader[int(number)].asnumpy() for number in chosen]), SIZE)


class CacheClips(Dataset[np.ndarray]):
    """Samples of 8 frames out of a cache, for a DataLoader."""

    def __init__(self, cache: FrameCache, samples: int) -> None:
        self.cache, self.samples = cache, samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, number: int) -> Frames:
        """Draw the frames of one of the clips: uint8 [8, S, S, 3]."""
        clip, rng = str(number % CLIPS), np.random.default_rng(number)
        return self.cache.gather([clip], draw(int(self.cache.lengths([clip])[0]), rng)[None])[0]


def draw(n_frames: int, rng: np.random.Generator) -> Indices:
    """Eight frames, one of each eighth of the clip, in the order of time."""
    return np.sort(np.concatenate(dual_level(n_frames, (2, 2, 4), rng)))


def seconds_of(work: Callable[[], object], repeats: int) -> float:
    """Seconds that one call takes, over `repeats` calls."""
    began = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - began) / repeats


def alternate(methods: dict[str, tuple[Callable[[], object], int]], rounds: int) -> dict[str, dict[str, float]]:
    """Time methods in turns; `methods` gives each with its calls a round."""
    found: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, (work, repeats) in methods.items():
            found[name].append(seconds_of(work, repeats))
    base = median(found[BASE])
    return {
        name: {
            "milliseconds": round(median(times) * 1000, 3),
            "samples_per_second": round(1 / median(times), 1),
            "times_faster": round(base / median(times), 1),
        }
        for name, times in found.items()
    }


def from_workers(cache: FrameCache, workers: int, samples: int) -> float:
    """Samples a second out of a DataLoader with worker processes, the first batches not counted."""
    loader = DataLoader(CacheClips(cache, samples), batch_size=8, num_workers=workers)
    batches = iter(loader)
    for _ in range(2 * workers + 1):
        next(batches)
    began = time.perf_counter()
    left = sum(len(batch) for batch in batches)
    return round(left / (time.perf_counter() - began), 1)


def peak_signal_to_noise(a: Frames, b: Frames) -> float:
    """PSNR of two clips in dB."""
    return round(float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2))), 1)


def measure(folder: Path, rounds: int, workers: int) -> dict[str, Any]:
    """Make the clip and the caches in `folder`, and time every method."""
    path, small, rng = folder / "clip.mp4", folder / "small.mp4", np.random.default_rng(0)
    write_video(path, moving_texture(FRAMES))
    write_video(small, decode(path, SIZE))  # the caches' other clips, for reading one clip again and again is too easy
    formats: Sequence[FrameFormat] = ("jpeg", "raw")
    ids = [str(number) for number in range(CLIPS)]
    source: Callable[[str], Path] = lambda clip: path if clip == "0" else small  # noqa: E731
    caches = {name: FrameCache.build(folder / name, ids, source, SIZE, MAX_FRAMES, 1, name) for name in formats}

    def read(cache: FrameCache) -> Frames:
        clip = str(rng.integers(CLIPS))
        return cache.gather([clip], draw(int(cache.lengths([clip])[0]), rng)[None])[0]

    methods: dict[str, tuple[Callable[[], object], int]] = {
        BASE: (lambda: two_views(path, draw(FRAMES, rng)), 1),
        "decord_seeks": (lambda: decord_seeks(path, draw(FRAMES, rng)), 1),
        "one_pass": (lambda: decode(path, SIZE, max_frames=8), 1),
        "jpeg_cache": (lambda: read(caches["jpeg"]), 50),
        "raw_cache": (lambda: read(caches["raw"]), 500),
    }
    for work, _ in methods.values():
        work()
    return {
        "clip": {"width": 1280, "height": 720, "frames": FRAMES, "bytes": path.stat().st_size},
        "sample": {"frames": 8, "size": SIZE},
        "methods": alternate(methods, rounds),
        "dataloader": {
            "workers": workers,
            **{f"{name}_samples_per_second": from_workers(caches[name], workers, 2000) for name in formats},
        },
        "cache": {
            "max_frames": MAX_FRAMES,
            **{f"{name}_bytes_per_clip": (folder / name / "frames.bin").stat().st_size // CLIPS for name in formats},
            "jpeg_psnr_db": peak_signal_to_noise(caches["jpeg"].get("0"), caches["raw"].get("0")),
        },
        "rounds": rounds,
        "environment": environment(0),
    }


def main(rounds: int = 7, workers: int = 2, json: Path = Path("benchmarks/results/frame_cache.json")) -> None:
    """Time 8 frames of a 720p clip by every method, in turns, and write the medians.

    Args:
        rounds: times that every method has its turn.
        workers: processes of the DataLoader that reads the caches.
        json: file of the figures.
    """
    if min(rounds, workers) < 1:
        raise GymQAError(f"{rounds} rounds with {workers} workers time nothing; give 1 or more of both")
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), rounds, workers)
    write_json(json, figures)
    for name, found in figures["methods"].items():
        print(f"{name:<24} {found['milliseconds']:>10.3f} ms  × {found['times_faster']}")
    print(figures["dataloader"], figures["cache"], sep="\n")


if __name__ == "__main__":
    sys.exit(run_script(main, "frame_cache.py"))
