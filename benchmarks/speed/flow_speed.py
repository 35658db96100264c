"""Time `gymqa flow` against computing flow per sample, without cache: `python benchmarks/speed/flow_speed.py`.

The baseline is what a data loader without a cache does, in one process and one thread: for every field of flow it
opens the mp4, decodes the frames up to the second of the two, brings both to size, makes OpenCV's object and computes.
`gymqa flow` reads the frame cache, in which every clip was decoded once, and computes clip by clip, in one process and
in several, each of one thread; its time includes the start of the processes and the writing. All compute the same
fields, which is checked.

Fields a second are those of the clock, and mean little on a busy machine; fields a second of the processor are written
beside them where one process computes.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import decord
import numpy as np
from numpy.typing import NDArray

from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import FlowMethod, build_flow, one_thread, to_bytes
from gymqa.frames.sampling import uniform
from gymqa.frames.video import square
from gymqa.io.files import write_json
from gymqa.runtime.runs import environment
from gymqa.runtime.workers import worker_count
from gymqa.sim.release import ReleaseConfig, render_release

LOOKED_AT = 8
"""Fields of a clip that the baseline computes, spread over it: some cost more than others."""
COPIES: dict[FlowMethod, int] = {"dis": 20, "tvl1": 1}
"""How often each clip is in the cache, so that there is work for more time than processes take to start."""


def one_field(path: Path, first: int, second: int, size: int, method: FlowMethod) -> NDArray[np.uint8]:
    """The flow between two frames of a video, from the file on: uint8 [S, S, 2]."""
    reader = decord.VideoReader(str(path), num_threads=1)
    frames = square(np.stack([reader[number].asnumpy() for number in (first, second)]), size)
    before, after = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames)
    made: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM) if method == "dis" else _tvl1()
    return to_bytes(np.asarray(made.calc(before, after, None), np.float32))


def _tvl1() -> Any:
    """OpenCV's TV-L1; `build_flow` has refused where it is not installed."""
    contrib: Any = getattr(cv2, "optflow", None)
    return contrib.DualTVL1OpticalFlow_create()


@dataclass(frozen=True, slots=True)
class Speed:
    """Fields a second, of the clock and of this process's processor time."""

    clock: float
    processor: float


@contextmanager
def timed(fields: list[int]) -> Iterator[list[Speed]]:
    """Time the block, which computes as many fields as `fields` sums up to at its end; the list's one entry."""
    found: list[Speed] = []
    clock, processor = time.perf_counter(), time.process_time()
    yield found
    done = sum(fields)
    found.append(Speed(done / (time.perf_counter() - clock), done / (time.process_time() - processor)))


def baseline(paths: dict[str, Path], cache: FrameCache, method: FlowMethod) -> tuple[Speed, dict[str, Any]]:
    """Speed of the baseline, and for each clip which fields it computed, and these: uint8 [n, S, S, 2]."""
    found: dict[str, Any] = {}
    done: list[int] = []
    with one_thread(), timed(done) as speed:
        for clip, path in paths.items():
            total = len(decord.VideoReader(str(path), num_threads=1))
            kept = np.arange(total) if total <= cache.max_frames else uniform(total, cache.max_frames)
            places = np.unique(uniform(len(kept) - 1, LOOKED_AT))
            fields = [one_field(path, int(kept[i]), int(kept[i + 1]), cache.size, method) for i in places]
            found[clip] = places, np.stack(fields)
            done.append(len(fields))
    return speed[0], found


def from_cache(cache: FrameCache, folder: Path, method: FlowMethod, workers: int) -> tuple[Speed, FrameCache]:
    """Speed of `gymqa flow`, and what it made."""
    with timed([int(sum(cache.lengths(cache.clip_ids) - 1))]) as speed:  # the last field is a copy
        flow = build_flow(folder, cache.folder, method, workers)
    return speed[0], flow


def measure(method: FlowMethod, paths: dict[str, Path], size: int, folder: Path, workers: int) -> dict[str, Any]:
    """Fields a second of one method, every way.

    Raises:
        GymQAError: the ways do not compute the same.
    """
    copies = {f"{clip}~{n}" if n else clip: path for clip, path in paths.items() for n in range(COPIES[method])}
    began = time.perf_counter()
    cache = FrameCache.build(folder / "frames", copies, copies.__getitem__, size, workers=1)
    decoding = (time.perf_counter() - began) / len(copies)
    one, flow = from_cache(cache, folder / "one", method, 1)
    several, _ = from_cache(cache, folder / "several", method, workers)
    plain, fields = baseline(paths, cache, method)
    apart = max(np.abs(flow.get(clip)[at].astype(float) - some).mean() for clip, (at, some) in fields.items())
    if apart > 1:
        raise GymQAError(
            f"{method} from the cache is {apart:.2f} of 255 levels from the videos'; mend gymqa.frames.flow"
        )
    return {
        "baseline_fields_per_second": round(plain.clock, 2),
        "one_process_fields_per_second": round(one.clock, 2),
        "several_processes_fields_per_second": round(several.clock, 2),
        "baseline_fields_per_processor_second": round(plain.processor, 2),
        "one_process_fields_per_processor_second": round(one.processor, 2),
        "times_faster_one_process": round(one.processor / plain.processor, 2),
        "times_faster_several_processes_by_the_clock": round(several.clock / plain.clock, 2),
        "largest_mean_difference_levels": round(float(apart), 4),
        "fields": int(sum(cache.lengths(cache.clip_ids) - 1)),
        "decoding_seconds_per_clip": round(decoding, 4),
    }


def main(
    clips: int = 4,
    size: int = 64,
    workers: int | None = None,
    methods: list[FlowMethod] = ["dis", "tvl1"],  # noqa: B006  only read
    json: Path = Path("benchmarks/results/flow_speed.json"),
) -> None:
    """Render GymSim clips, cache their frames, and time the flow of both methods.

    Args:
        clips: GymSim clips.
        size: pixels of the cached frames.
        workers: processes; one for each core when not given.
        methods: to measure.
        json: file of the figures.
    """
    processes = worker_count(workers)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        release = open_release(render_release(folder / "release", ReleaseConfig(1, 1, 0, 2 * size)))
        ids = [clip.id for clip in read_element_list(release.train_list)][:clips]
        paths = {clip: release.clip_path(clip) for clip in ids}
        found = {method: measure(method, paths, size, folder / method, processes) for method in methods}
    figures = {"clips": len(ids), "size": size, "video_size": 2 * size, "processes": processes, "methods": found}
    write_json(json, {**figures, "environment": environment(0)})
    for method, one in found.items():
        print(method, *(f"{key} {value}" for key, value in one.items()), sep="\n  ")


if __name__ == "__main__":
    sys.exit(run_script(main, "flow_speed.py"))
