"""Render a GymSim release in FineGym's format, in parallel and resumable: videos, manifests, annotations."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gymqa.errors import GymQAError
from gymqa.frames.video import Frames, video_writer, write_video
from gymqa.io.console import progress_bar
from gymqa.io.files import only_writer, read_json, write_json
from gymqa.runtime.choices import require_choices
from gymqa.runtime.runs import require_writable
from gymqa.runtime.workers import deaths_reported, interruptible, start_worker, worker_count
from gymqa.sim.motion import FPS, Motion
from gymqa.sim.release_files import write_annotations
from gymqa.sim.render import Look, mark_replay, render
from gymqa.sim.repertoire import REPERTOIRES, Repertoire
from gymqa.sim.routine import Performance, Shot, competition, programme
from gymqa.sim.scene import Arena, Image
from gymqa.sim.skeleton import Build

FORMAT = 2  # increased when the same settings produce different files
SMALLEST, LARGEST = 24, 720  # pixels
BREAK = 3.0  # seconds between two actions


@dataclass(frozen=True)
class ReleaseConfig:
    """Settings of a release.

    Attributes:
        train_videos: number of training competitions.
        val_videos: number of validation competitions, with other athletes and halls.
        raw_videos: number of competitions, training first, that are also written as one long video.
        size: side of the square frames in pixels, even, 24 to 720.
        seed: seed of everything; the same seed gives the same frames.
        setting: the demo's 24 elements, each once per competition; or all 99, in routines of 5 to 12 sub-actions with
            transitions and replays between them.
    """

    train_videos: int = 100
    val_videos: int = 20
    raw_videos: int = 2
    size: int = 96
    seed: int = 0
    setting: Literal["gymsim24", "gymsim99"] = "gymsim24"

    def __post_init__(self) -> None:
        require_choices(self)
        if self.size % 2 or not SMALLEST <= self.size <= LARGEST:
            raise GymQAError(
                f"a release's size cannot be {self.size}; choose an even number of pixels, {SMALLEST} to {LARGEST}"
            )
        if self.seed < 0:
            raise GymQAError(f"a release's seed cannot be {self.seed}; choose 0 or more")
        if self.train_videos < 1 or self.val_videos < 1 or self.raw_videos < 0:
            raise GymQAError("a release needs at least one training and one val video, and raw_videos of at least 0")

    @property
    def video_ids(self) -> list[str]:
        """Ids of eleven characters, training videos first."""
        parts = (("T", self.train_videos), ("V", self.val_videos))
        return [f"gymsim{part}{number:04d}" for part, count in parts for number in range(count)]

    @property
    def repertoire(self) -> Repertoire:
        """The elements of the setting."""
        return REPERTOIRES[self.setting]


def render_release(root: Path, config: ReleaseConfig = ReleaseConfig(), workers: int | None = None) -> Path:
    """Render a release into `root`; a stopped run resumes with the missing videos.

    Args:
        root: folder of the release.
        config: settings of the release.
        workers: number of processes; by default one per core.

    Returns:
        `root`.

    Raises:
        GymQAError: `root` holds a release of other settings, is not writable or in use by another process; `workers` is
            below one; or a worker was killed.
    """
    processes = worker_count(workers)
    wanted = {"format": FORMAT, **asdict(config)}
    record = require_writable(root) / "release.json"
    with only_writer(root, "the release in"):
        if record.exists() and read_json(record) != wanted:
            raise GymQAError(f"{root} holds a release of other settings; choose another folder or delete this one")
        write_json(record, wanted)
        missing = [video_id for video_id in config.video_ids if not _complete(root, video_id)]
        _render_videos(root, config, missing, processes)
        if missing or not (root / "annotations" / f"{config.setting}_val_element.txt").exists():
            manifests = (read_json(_manifest(root, video_id)) for video_id in config.video_ids)
            write_annotations(root / "annotations", config.repertoire, manifests)
    return root


def _render_videos(root: Path, config: ReleaseConfig, missing: list[str], processes: int) -> None:
    """Render the missing competitions in several processes."""
    with progress_bar("rendering competitions", len(config.video_ids), len(config.video_ids) - len(missing)) as bar:
        if not missing:
            return
        # spawn: a fork of a process that has used FFmpeg's or OpenMP's threads may hang
        context = multiprocessing.get_context("spawn")
        with (
            deaths_reported("rendering", "run again, with fewer workers"),
            ProcessPoolExecutor(min(processes, len(missing)), context, start_worker) as pool,
        ):
            orders = running_orders(config)
            jobs = [pool.submit(interruptible, render_video, root, config, v, orders[v]) for v in missing]
            _wait(jobs, bar.advance)


def _wait(jobs: list[Future[None]], done: Callable[[], None]) -> None:
    """Wait for all jobs; on the first error or Ctrl-C cancel the jobs that have not started."""
    try:
        for job in as_completed(jobs):
            job.result()
            done()
    except BaseException:
        for job in jobs:
            job.cancel()
        raise


def _manifest(root: Path, video_id: str) -> Path:
    return root / "manifests" / f"{video_id}.json"


def _complete(root: Path, video_id: str) -> bool:
    """Whether a video's manifest and all files it names exist."""
    path = _manifest(root, video_id)
    if not path.exists():
        return False
    manifest = read_json(path)
    files = [root / "subactions" / f"{clip['id']}.mp4" for event in manifest["events"] for clip in event["clips"]]
    files += [root / "videos" / f"{video_id}.mp4"] if manifest["raw"] else []
    return all(file.is_file() for file in files)


def running_orders(config: ReleaseConfig) -> dict[str, dict[str, list[int]]]:
    """Video id -> event -> labels performed; train and val are sampled separately, so both have all elements."""
    orders = programme(config.repertoire, config.train_videos, (config.seed, 0))
    orders += programme(config.repertoire, config.val_videos, (config.seed, 1))
    return dict(zip(config.video_ids, orders, strict=True))


def render_video(root: Path, config: ReleaseConfig, video_id: str, labels: dict[str, list[int]]) -> None:
    """Render one competition of an athlete in a hall, and write its manifest."""
    number = config.video_ids.index(video_id)
    rng = np.random.default_rng((config.seed, number))
    arena, look, build = Arena.sample(config.size, rng), Look.sample(rng), Build.sample(rng)
    raw = number < config.raw_videos
    events: list[dict[str, Any]] = []
    clock = 2.0
    with ExitStack() as open_files:
        film = _Film(root, arena, look)
        if raw:
            path = root / "videos" / f"{video_id}.mp4"
            film.write = open_files.enter_context(video_writer(path, config.size, config.size, FPS, preset="ultrafast"))
        for performance in competition(config.repertoire, labels, build, config.size, rng):
            action = _action(video_id, int(clock), performance)
            film.show(performance, action)
            events.append(action)
            seconds = sum(shot.motion.frames for shot in performance.shots + performance.after) / FPS
            film.hold(action["stop"])
            clock = max(action["stop"], int(np.ceil(int(clock) + seconds))) + BREAK
    write_json(_manifest(root, video_id), {"video_id": video_id, "raw": raw, "events": events})


def _action(video_id: str, start: int, performance: Performance) -> dict[str, Any]:
    """Manifest entry of a performance that begins at second `start`: its clips' ids, labels and stages."""
    seconds = sum(shot.motion.frames for shot in performance.shots) / FPS
    stop, elapsed, clips = int(np.ceil(start + seconds)), 0, []
    for shot in performance.shots:
        if shot.label is not None:
            spans = _stages(shot.motion, elapsed)
            key = f"{int(spans[0][0]):04d}_{int(np.ceil(spans[-1][1])):04d}"
            clip_id = f"{video_id}_E_{start:06d}_{stop:06d}_A_{key}"
            clips.append({"id": clip_id, "key": key, "label": shot.label, "timestamps": spans})
        elapsed += shot.motion.frames
    return {"event": performance.event, "start": start, "stop": stop, "clips": clips}


def _stages(motion: Motion, before: int) -> list[list[float]]:
    """Time spans of the motion's stages in seconds; the motion begins `before` frames after the action."""
    bounds = [(before + round(fraction * motion.frames)) / FPS for fraction in motion.stages]
    return [[start, stop] for start, stop in pairwise(bounds)]


class _Film:
    """Renders shots; writes each element's clip, and the raw video if `write` is set.

    Args:
        root: folder of the release.
        arena: the competition hall.
        look: appearance of the athlete.
    """

    def __init__(self, root: Path, arena: Arena, look: Look) -> None:
        self.root, self.arena, self.look = root, arena, look
        self.write: Callable[[Frames], None] | None = None
        self.written = 0
        self.last: Image | None = None

    def hold(self, second: int) -> None:
        """Repeat the raw video's last frame until this second, so that an action ends inside the video."""
        if self.last is not None:
            self._add(np.repeat(self.last, max(second * FPS - self.written, 0), axis=0))

    def show(self, performance: Performance, action: dict[str, Any]) -> None:
        """Render a performance; shots between the elements are rendered for the raw video only."""
        ids = iter([clip["id"] for clip in action["clips"]])
        for number, shot in enumerate([*performance.shots, *performance.after]):
            if shot.label is None and self.write is None:
                continue
            frames = self._render(performance.event, shot)
            if shot.label is not None:
                write_video(self.root / "subactions" / f"{next(ids)}.mp4", frames, FPS, preset="ultrafast")
            if self.write is not None:
                if number == 0:  # a still of the next performance fills the pause
                    self._add(np.repeat(frames[:1], action["start"] * FPS - self.written, axis=0))
                self._add(frames)

    def _add(self, frames: Image) -> None:
        if self.write is not None and len(frames):
            self.write(frames)
            self.last = frames[-1:]
        self.written += len(frames)

    def _render(self, event: str, shot: Shot) -> Image:
        frames = render(shot.motion, event, self.arena, self.look, shot.camera)
        if shot.kind == "replay":
            mark_replay(frames)
        return frames
