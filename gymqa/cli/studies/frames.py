"""`gymqa study frames`: accuracy by number of input frames, as FineGym's Table 5."""

from pathlib import Path

from eval.stats.bootstrap import Interval
from gymqa.cli.studies.frame_counts import fits_n_frames, with_n_frames
from gymqa.cli.studies.plots import Line, draw_lines
from gymqa.cli.studies.results import Cell, Conditions, Measured
from gymqa.cli.studies.settings import FIRST_FRAMES, RENDERED, TRAINING, Level, StudySettings, recognizer_named
from gymqa.cli.studies.study import Study, percent, published_percent, whole_numbers
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
    """Train with different numbers of frames; test with the same number and with the largest (FineGym's Table 5).

    Writes frames.json and frames.png. An interrupted run resumes with the same command.

    Args:
        root: folder of a release in FineGym's format; without it a GymSim release is rendered.
        out: run folder, with results and plot.
        setting: gym99, fx-s1, …; may be omitted if the release has only one.
        level: level of the classes: element, set or event.
        recognizer: a small tsn, trn, trn-ms or tsm, or one of `gymqa list recognizers`.
        frames: numbers of frames (segments); by default 1 3 5 7 12 as in Table 5.
        seeds: seeds, one training each; by default 0 1.
        epochs: passes over the training clips, instead of training.steps; 0 uses training.steps.
        max_frames: frames kept of a longer clip, evenly spaced.
        workers: number of parallel trainings; on a CPU each is a process with one thread.
        training: training settings; model and seed are set by the study.
        rendered: settings of the GymSim release that is rendered without a root.
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
            conditions: Conditions = {"recognizer": recognizer, "frames": count, "tested": tested}
            cells.append(Cell(conditions, {seed: (ModelTest(one, tested),) for seed, one in trained.items()}))
    found = study.measure(cells)
    study.write(found, [], chance=1 / len(study.inputs.classes(level)))
    _draw(study, found, level)
    _show(study, found, counts)


def _series(found: list[Measured]) -> dict[str, dict[int, Interval]]:
    """Mean-class accuracies by number of training frames: tested with the same number, and with the largest."""
    counts = [(int(one.conditions["frames"]), int(one.conditions["tested"]), one.mean_class) for one in found]
    most = max(frames for frames, *_ in counts)
    same = {frames: accuracy for frames, tested, accuracy in counts if tested == frames}
    at_most = {frames: accuracy for frames, tested, accuracy in counts if tested == most}
    series = {"tested with as many": same}
    return series | ({f"tested with {most}": at_most} if len(at_most) > 1 else {})


def _draw(study: Study, found: list[Measured], level: Level) -> None:
    lines = [Line(name, points) for name, points in _series(found).items()]
    paper = {int(column): Interval(value, value, value) for (_, column), value in study.paper("mean_class").items()}
    if paper:
        lines.append(Line("FineGym's paper, Gym99", paper, published=True))
    chance = 1 / len(study.inputs.classes(level))
    draw_lines(study.plot_path(), lines, "frames in training", "mean-class accuracy (%)", chance)


def _show(study: Study, found: list[Measured], counts: list[int]) -> None:
    paper = study.paper("mean_class")
    lines = [["mean-class %, trained with", *map(str, counts)]]
    for name, points in _series(found).items():
        lines.append([name, *(percent(points[count]) for count in counts)])
    lines.append(["FineGym's paper, TSN on Gym99", *(published_percent(paper, "tsn", str(count)) for count in counts)])
    study.show(lines)
