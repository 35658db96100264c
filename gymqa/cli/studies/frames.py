"""`gymqa study frames`: accuracy against the number of frames, FineGym's Table 5."""

from pathlib import Path

from eval.stats.bootstrap import Interval
from gymqa.cli.studies.frame_counts import fits_n_frames, with_n_frames
from gymqa.cli.studies.plots import Line, draw_lines
from gymqa.cli.studies.results import Cell, Measured, Place
from gymqa.cli.studies.settings import (
    FIRST_FRAMES,
    RENDERED,
    TRAINING,
    Level,
    StudySettings,
    recognizer_named,
)
from gymqa.cli.studies.study import Study, percent, printed_percent, whole_numbers
from gymqa.cli.studies.trainings import ModelTest
from gymqa.sim.release import ReleaseConfig
from recognizers.config import TrainConfig

COUNTS = (1, 3, 5, 7, 12)  # Table 5's


def frames(
    root: Path | None = None,
    out: Path = Path("runs/studies/frames"),
    setting: str | None = None,
    level: Level = "element",
    recognizer: str = "tsn",
    frames: list[int] | None = None,
    seeds: list[int] | None = None,
    epochs: int = 0,
    max_frames: int = FIRST_FRAMES,
    workers: int = 2,
    *,
    training: TrainConfig = TRAINING,
    rendered: ReleaseConfig = RENDERED,
) -> None:
    """Train with more and more frames of a clip, and test with as many and with the most (FineGym's Table 5).

    Writes frames.json and frames.png; stopped, the same command goes on.

    Args:
        root: a release of FineGym's format; without it GymSim is rendered.
        out: folder of the run, its figures and picture.
        setting: gym99, fx-s1, …; may be left out where the release has only one.
        level: element, set or event: what is recognized.
        recognizer: tsn, trn, trn-ms or tsm, small ones, or one of `gymqa list recognizers`.
        frames: numbers of frames (segments); 1 3 5 7 12 as in Table 5 when not given.
        seeds: one training each; 0 1 when not given.
        epochs: passes over the training clips, instead of training.steps; 0 keeps those.
        max_frames: frames of a clip that are kept, evenly spaced.
        workers: trainings at a time; on a CPU each in a process of one thread.
        training: how each is trained; model and seed are the study's.
        rendered: what is rendered without a root.
    """
    counts = whole_numbers(frames, COUNTS, "frames")
    base = recognizer_named(recognizer)
    sizes = {count: with_n_frames(base, count) for count in counts}
    most = counts[-1]
    settings = StudySettings(root, setting, tuple(seeds or (0, 1)), epochs, max_frames, training, rendered)
    asked = {"level": level, "recognizer": recognizer, "frames": counts}
    study = Study("frames", out, settings, asked, workers)
    study.prepare([level], base.image_size)
    cells = []
    for count, model in sizes.items():
        trained = study.trainings(f"{recognizer}-{level}-{count}", model, level)
        for tested in dict.fromkeys((count, most if fits_n_frames(model, most) else count)):
            place: Place = {"recognizer": recognizer, "frames": count, "tested": tested}
            cells.append(Cell(place, {seed: (ModelTest(one, tested),) for seed, one in trained.items()}))
    found = study.measure(cells)
    study.write(found, [], chance=1 / len(study.inputs.classes(level)))
    _draw(study, found, level)
    _show(study, found, counts)


def _series(found: list[Measured]) -> dict[str, dict[int, Interval]]:
    """Mean-class accuracies by number of frames in training: tested with as many, and with the most."""
    most = max(int(one.place["frames"]) for one in found)
    same = {int(one.place["frames"]): one.mean_class for one in found if one.place["tested"] == one.place["frames"]}
    at_most = {int(one.place["frames"]): one.mean_class for one in found if one.place["tested"] == most}
    series = {"tested with as many": same}
    return series | ({f"tested with {most}": at_most} if len(at_most) > 1 else {})


def _draw(study: Study, found: list[Measured], level: Level) -> None:
    lines = [Line(name, points) for name, points in _series(found).items()]
    paper = {int(column): Interval(value, value, value) for (_, column), value in study.paper("mean_class").items()}
    if paper:
        lines.append(Line("FineGym's paper, Gym99", paper, printed=True))
    chance = 1 / len(study.inputs.classes(level))
    draw_lines(study.picture(), lines, "frames in training", "mean-class accuracy (%)", chance)


def _show(study: Study, found: list[Measured], counts: list[int]) -> None:
    paper = study.paper("mean_class")
    lines = [["mean-class %, trained with", *map(str, counts)]]
    for name, points in _series(found).items():
        lines.append([name, *(percent(points[count]) for count in counts)])
    lines.append(["FineGym's paper, TSN on Gym99", *(printed_percent(paper, "tsn", str(count)) for count in counts)])
    study.show(lines)
