"""Temporal localization on GymSim, as FineGym's Table 4: `python benchmarks/studies/localization_study.py`.

Actions in rendered competitions, and sub-actions in actions, by a structured segment network on the frozen image ViT.
"""

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from study_tables import percent, print_table, spread

from eval.metrics.localization import average_map, map_at_tiou, read_segments
from gymqa.cli.main import run_script
from gymqa.errors import GymQAError
from gymqa.io.files import write_json
from gymqa.runtime.runs import Run, environment, resolved
from gymqa.sim.release import FORMAT, ReleaseConfig, render_release
from recognizers.localization.config import LEVELS, Level, LocalizationConfig
from recognizers.localization.detection import DetectionConfig, detect
from recognizers.localization.labelled_snippets import label_snippets, read_snippets
from recognizers.localization.network import Localizer
from recognizers.localization.proposals import group_actionness, overlaps
from recognizers.localization.segments import Split, read_split, write_detections, write_truth
from recognizers.localization.snippet_store import SnippetStore, extract_snippets
from recognizers.localization.snippets import FrameEncoder
from recognizers.localization.training import train_localizer

RESULT = Path("benchmarks/results/localization_study.json")
COLUMNS = {"0.50": 0.5, "0.60": 0.6, "0.70": 0.7, "0.80": 0.8, "0.90": 0.9}
# FineGym (CVPR'20), Table 4, SSN: mAP in % at the overlaps above, and the mean over 0.5, 0.55, … 0.95
PAPER = {"action": (60.0, 57.9, 57.1, 54.6, 35.0, 49.4), "sub-action": (22.2, 15.4, 9.2, 3.9, 0.6, 9.6)}
RELEASE, SNIPPETS = "release", "snippets"


def _release() -> ReleaseConfig:
    """Whole competitions as raw videos; athletes and halls that no setting was chosen on."""
    return ReleaseConfig(train_videos=24, val_videos=8, raw_videos=32, size=64, seed=5, setting="gymsim99")


@dataclass(frozen=True)
class StudyConfig:
    """Settings of the study.

    Attributes:
        release: the videos; all have to be raw ones.
        fps: frames a second that the image ViT encodes.
        training: of both levels; the study sets level and seed.
        detection: how segments are chosen.
        seeds: of the trainings; the videos stay.
    """

    release: ReleaseConfig = field(default_factory=_release)
    fps: float = 8.0
    training: LocalizationConfig = field(default_factory=lambda: LocalizationConfig(actionness_steps=200, steps=500))
    detection: DetectionConfig = field(default_factory=DetectionConfig)
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self) -> None:
        if self.release.raw_videos < self.release.train_videos + self.release.val_videos or not self.seeds:
            raise GymQAError("the study takes a raw video of every competition, and a seed; set release.raw_videos")


def main(
    out: Path = Path("runs/localization"), json: Path = RESULT, workers: int = 2, *, study: StudyConfig = StudyConfig()
) -> None:
    """Render, encode, train, detect, and write the results; a stopped study goes on with the same command.

    Args:
        out: folder of the run.
        json: file of the figures.
        workers: processes that render.
        study: what is rendered and trained.
    """
    run = Run(out, study)
    _inputs(run, study, workers)
    levels: dict[str, dict[str, Any]] = {level: _level(run, study, level) for level in LEVELS}
    speed, settings = _speed(run, study), {**resolved(study), "format": FORMAT}
    write_json(
        json, {"levels": levels, "speed": speed, "settings": settings, "environment": environment(study.release.seed)}
    )
    _show(levels, speed)


def _inputs(run: Run, study: StudyConfig, workers: int) -> None:
    """Videos and their snippet features."""
    root = run.folder / RELEASE

    def render() -> None:
        render_release(root, study.release, workers)

    def look() -> None:
        extract_snippets(FrameEncoder(), root, study.release.video_ids, run.folder / SNIPPETS, study.fps)

    run.step("render", {**asdict(study.release), "format": FORMAT}, [RELEASE], render)
    run.step("features", {"fps": study.fps}, [SNIPPETS], look, ["render"])


def _level(run: Run, study: StudyConfig, level: Level) -> dict[str, Any]:
    """Train and test every seed at a level."""
    split, store = read_split(run.folder / RELEASE, level), SnippetStore(run.folder / SNIPPETS)
    truth = run.folder / f"{level}.truth.jsonl"
    write_truth(truth, split.test)
    found: dict[str, list[float]] = {}
    for seed in study.seeds:
        name, config = f"{level}-{seed}", replace(study.training, level=level, seed=seed)

        def train(folder: Path = run.folder / name, config: LocalizationConfig = config) -> None:
            train_localizer(store, split.train, folder, config)

        run.step(name, asdict(config), [name], train, ["features"])
        model = Localizer.from_pretrained(run.folder / name)
        segments, _ = detect(model, store, split.test, study.detection)
        write_detections(run.folder / f"{name}.jsonl", segments)
        by_overlap = map_at_tiou(read_segments(truth), read_segments(run.folder / f"{name}.jsonl"))
        scores = {f"mAP@{column}": by_overlap[overlap] for column, overlap in COLUMNS.items()}
        scores |= {"mAP average": average_map(by_overlap), **_recall(study, model, store, split)}
        for key, value in scores.items():
            found.setdefault(key, []).append(value)
    counts = {"classes": len(model.config.labels), "train": _count(split.train), "test": _count(split.test)}
    return {**counts, "scores": {key: {**spread(values), "of_seeds": values} for key, values in found.items()}}


def _count(stretches: Sequence[Any]) -> dict[str, int]:
    """Numbers of videos, segments to search, and true segments."""
    videos = {stretch.video_id for stretch in stretches}
    segments = sum(one.label is not None for stretch in stretches for one in stretch.instances)
    return {"videos": len(videos), "stretches": len(stretches), "segments": segments}


def _recall(study: StudyConfig, model: Localizer, store: SnippetStore, split: Split) -> dict[str, float]:
    """Recall of true segments by proposals at IoU 0.5 and 0.7, and the number of proposals in a segment."""
    best: list[float] = []
    counts: list[int] = []
    config = model.config
    for stretch, snippets in read_snippets(store, split.test, config.snippet):
        one = label_snippets(stretch, snippets, config.snippet, config.labels)
        actionness = model.actionness(snippets).detach().sigmoid().double().numpy()
        proposals = group_actionness(actionness, study.detection.grouping or config.grouping)
        counts.append(len(proposals))
        best += overlaps(proposals, one.truth).max(0, initial=0.0).tolist()
    shares = {f"proposals' recall@{overlap}": float(np.mean(np.array(best) >= overlap)) for overlap in (0.5, 0.7)}
    return {**shares, "proposals a stretch": float(np.mean(counts))}


def _speed(run: Run, study: StudyConfig) -> dict[str, float]:
    """Test videos a second: encoding the raw video, and detecting actions and sub-actions from features."""
    root, encoder = run.folder / RELEASE, FrameEncoder()
    videos = [stretch.video_id for stretch in read_split(root, "action").test]
    with tempfile.TemporaryDirectory(dir=run.folder) as folder:
        began = time.perf_counter()
        store = extract_snippets(encoder, root, videos, Path(folder), study.fps)
        looking = time.perf_counter() - began
        seconds = sum(len(store.features(video)) for video in videos) / study.fps
    took = {"features": looking}
    store = SnippetStore(run.folder / SNIPPETS)
    for level in LEVELS:
        model = Localizer.from_pretrained(run.folder / f"{level}-{study.seeds[0]}")
        stretches = read_split(root, level).test
        began = time.perf_counter()
        detect(model, store, stretches, study.detection)
        took[level] = time.perf_counter() - began
    whole = sum(took.values())
    each = {f"{name}_videos_per_second": round(len(videos) / value, 3) for name, value in took.items()}
    return {
        "videos": len(videos),
        "mean_video_seconds": round(seconds / len(videos), 1),
        **each,
        "videos_per_second": round(len(videos) / whole, 3),
        "times_faster_than_real_time": round(seconds / whole, 1),
    }


def _show(levels: Mapping[str, Mapping[str, Any]], speed: Mapping[str, float]) -> None:
    """Print the table in the layout of FineGym's Table 4, the paper's figures below ours, and the speed."""
    rows: dict[str, list[str]] = {}
    for level, found in levels.items():
        names = [*(f"mAP@{name}" for name in COLUMNS), "mAP average"]
        rows[f"{level}, GymSim"] = [percent(found["scores"][name]) for name in names]
        rows[f"{level}, FineGym (paper)"] = [f"{value:.1f}" for value in PAPER[level]]
    print_table("mAP in %, at overlap", [*COLUMNS, "average"], rows)
    recalls = {
        level: [percent(found["scores"][f"proposals' recall@{overlap}"]) for overlap in (0.5, 0.7)]
        for level, found in levels.items()
    }
    print_table("recall of the proposals in %, at overlap", ["0.50", "0.70"], recalls)
    print(", ".join(f"{name} {value}" for name, value in speed.items()))


if __name__ == "__main__":
    sys.exit(run_script(main, "localization_study.py"))
