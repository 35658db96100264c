"""Write a GymSim release in FineGym's format: annotations, decision trees, element lists, sub-action and raw videos."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gymqa.atomic import read_json, write_json, write_text
from gymqa.errors import GymQAError
from gymqa.processes import deaths_reported, worker_count
from gymqa.progress import progress_bar
from gymqa.sim.arena import Arena, Image
from gymqa.sim.camera import Camera
from gymqa.sim.elements import ELEMENTS, EVENTS, SETS, SimElement, decisions
from gymqa.sim.motion import FPS, perform, stand
from gymqa.sim.render import Look, render
from gymqa.sim.skeleton import Build
from gymqa.video import write_video

SETTING = "gymsim24"
FORMAT = 1  # raised when the same settings would give other files


@dataclass(frozen=True)
class ReleaseConfig:
    """What to render.

    Attributes:
        train_videos: competitions in the training part; each holds every element once.
        val_videos: competitions of other athletes in other halls.
        raw_videos: how many of the training competitions are also written as one long video.
        size: side of the square frames in pixels (even).
        seed: same seed, same frames.
    """

    train_videos: int = 100
    val_videos: int = 20
    raw_videos: int = 2
    size: int = 96
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size % 2 or self.size < 64:  # decord fails on some narrower videos
            raise GymQAError(f"a release's size cannot be {self.size}; choose an even number of at least 64 pixels")
        if self.seed < 0:
            raise GymQAError(f"a release's seed cannot be {self.seed}; choose 0 or more")
        if self.train_videos < 1 or self.val_videos < 1 or self.raw_videos < 0:
            raise GymQAError("a release needs at least one training and one val video, and raw_videos of at least 0")

    @property
    def video_ids(self) -> list[str]:
        """Ids of eleven characters, training videos first."""
        parts = (("T", self.train_videos), ("V", self.val_videos))
        return [f"gymsim{part}{number:04d}" for part, count in parts for number in range(count)]


def render_release(root: Path, config: ReleaseConfig = ReleaseConfig(), workers: int | None = None) -> Path:
    """Render a release into `root`; a stopped run goes on with the videos still missing.

    Args:
        root: folder of the release.
        config: what to render.
        workers: processes; one for each core by default.

    Returns:
        `root`.

    Raises:
        GymQAError: `root` holds a release of other settings or cannot be written to, fewer than one worker, or one
            that was killed.
    """
    processes = worker_count(workers)
    wanted = {"format": FORMAT, **asdict(config)}
    record = root / "release.json"
    if record.exists() and read_json(record) != wanted:
        raise GymQAError(f"{root} holds a release of other settings; choose another folder or delete this one")
    write_json(record, wanted)
    missing = [video_id for video_id in config.video_ids if not _complete(root, video_id)]
    done = len(config.video_ids) - len(missing)
    with progress_bar("rendering competitions", len(config.video_ids), done) as bar:
        if missing:
            with (
                deaths_reported("rendering", "run again, with fewer workers"),
                ProcessPoolExecutor(processes) as pool,
            ):
                jobs = [pool.submit(render_video, root, config, video_id) for video_id in missing]
                _wait(jobs, bar.advance)
    if missing or not (root / "annotations" / f"{SETTING}_val_element.txt").exists():
        _write_annotations(root, [read_json(_manifest(root, video_id)) for video_id in config.video_ids])
    return root


def _wait(jobs: list[Future[None]], done: Callable[[], None]) -> None:
    """Wait for all jobs; on the first error or Ctrl-C the jobs not begun are dropped."""
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
    """Whether a video's manifest is there with all the files it names."""
    path = _manifest(root, video_id)
    if not path.exists():
        return False
    manifest = read_json(path)
    files = [root / "subactions" / f"{clip['id']}.mp4" for event in manifest["events"] for clip in event["clips"]]
    files += [root / "videos" / f"{video_id}.mp4"] if manifest["raw"] else []
    return all(file.is_file() for file in files)


def render_video(root: Path, config: ReleaseConfig, video_id: str) -> None:
    """Render one competition: an athlete in a hall performs a routine on each apparatus; then write its manifest."""
    number = config.video_ids.index(video_id)
    rng = np.random.default_rng((config.seed, number))
    place, look, build = Arena.sample(config.size, rng), Look.sample(rng), Build.sample(rng)
    raw = number < config.raw_videos
    raw_frames: list[Image] = []
    events, clock = [], 2.0
    for event in EVENTS:
        clips, parts = _routine(event, place, look, build, config.size, rng)
        seconds = sum(len(part) for part in parts) / FPS
        start, stop = int(clock), int(np.ceil(int(clock) + seconds))
        for clip in clips:
            clip["id"] = f"{video_id}_E_{start:06d}_{stop:06d}_A_{clip['key']}"
            write_video(root / "subactions" / f"{clip['id']}.mp4", clip.pop("frames"), FPS, preset="ultrafast")
        events.append({"event": event, "start": start, "stop": stop, "clips": clips})
        if raw:
            raw_frames += _up_to(raw_frames, start, parts[0]) + parts
        clock = stop + 3.0
    if raw:
        write_video(root / "videos" / f"{video_id}.mp4", np.concatenate(raw_frames), FPS, preset="ultrafast")
    write_json(_manifest(root, video_id), {"video_id": video_id, "raw": raw, "events": events})


def _up_to(frames: list[Image], start: int, next_part: Image) -> list[Image]:
    """A still of the coming routine that fills the raw video up to second `start`."""
    gap = start * FPS - sum(len(part) for part in frames)
    return [np.repeat(next_part[:1], gap, axis=0)]


def _routine(
    event: str, place: Arena, look: Look, build: Build, size: int, rng: np.random.Generator
) -> tuple[list[dict[str, Any]], list[Image]]:
    """Every element of the apparatus once, in random order, with pauses: the clips, and all frames in order."""
    labels = [label for label, element in enumerate(ELEMENTS) if element.event == event]
    clips: list[dict[str, Any]] = []
    parts: list[Image] = []
    elapsed = 0
    for label in rng.permutation(labels):
        motion = perform(ELEMENTS[label], build, rng)
        camera = Camera.follow(motion.centre, size, rng)
        pause = stand(event, build, int(rng.uniform(0.6, 1.4) * FPS), motion.centre[0], rng)
        waiting = camera.at(np.zeros(pause.frames, dtype=np.int64))
        parts.append(render(pause, event, place, look, waiting))
        frames = render(motion, event, place, look, camera)
        elapsed += pause.frames
        start, stop = elapsed / FPS, (elapsed + motion.frames) / FPS
        key = f"{int(start):04d}_{int(np.ceil(stop)):04d}"
        clips.append({"key": key, "label": int(label), "timestamps": [start, stop], "frames": frames})
        parts.append(frames)
        elapsed += motion.frames
    return clips, parts


def _write_annotations(root: Path, manifests: list[dict[str, Any]]) -> None:
    """Write FineGym's files: annotation JSON, categories, decision trees, element lists."""
    folder = root / "annotations"
    info: dict[str, Any] = {}
    lists: dict[str, list[str]] = {"T": [], "V": []}
    for manifest in manifests:
        video_id = manifest["video_id"]
        for event in manifest["events"]:
            segments = {f"A_{c['key']}": {"stages": 1, "timestamps": [c["timestamps"]]} for c in event["clips"]}
            key = f"E_{event['start']:06d}_{event['stop']:06d}"
            times = [[float(event["start"]), float(event["stop"])]]
            record = {"event": EVENTS.index(event["event"]) + 1, "timestamps": times, "segments": segments}
            info.setdefault(video_id, {})[key] = record
            lists[video_id[6]] += [f"{clip['id']} {clip['label']}" for clip in event["clips"]]
    write_text(folder / "set_categories.txt", _lines(f"set: {set_id}; {name}" for set_id, name in SETS.items()))
    write_text(folder / "gym530_categories.txt", _lines(_category(i, e) for i, e in enumerate(ELEMENTS)))
    write_text(
        folder / f"{SETTING}_categories.txt",
        _lines(f"Clabel: {i:3d}; " + _category(i, e, set_first=True) for i, e in enumerate(ELEMENTS)),
    )
    trees = {str(i): {**_tree(element), "code": f"GymSim.{i}"} for i, element in enumerate(ELEMENTS)}
    write_json(folder / "finegym_glabel_to_Qtree.json", trees)
    write_text(folder / f"{SETTING}_train_element.txt", _lines(lists["T"]))
    write_json(folder / "finegym_annotation_info.json", info)
    write_text(folder / f"{SETTING}_val_element.txt", _lines(lists["V"]))  # last: its presence says that all are there


def _category(label: int, element: SimElement, set_first: bool = False) -> str:
    name = f"({element.event}) {element.name}"
    parts = [f"Glabel: {label:3d}", f"set: {element.set_id:2d}"]
    return "; ".join([*(parts[::-1] if set_first else parts), name])


def _tree(element: SimElement) -> dict[str, Any]:
    asked = decisions(element)
    return {
        "BTcode": "".join(str(int(answer)) for _, answer in asked),
        "questions": [question for question, _ in asked],
    }


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
