"""`gymqa study test-frames`: accuracy by number of frames in testing, as FineGym's Figure 6c."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gymqa.cli.studies.frame_counts import require_any_n_frames, with_n_frames
from gymqa.cli.studies.plots import Line, draw_lines
from gymqa.cli.studies.results import Cell, Conditions, Measured, difference
from gymqa.cli.studies.settings import FIRST_FRAMES, RENDERED, TRAINING, Level, StudySettings, recognizer_named
from gymqa.cli.studies.study import Study, percent, published_percent, whole_numbers
from gymqa.cli.studies.trainings import ModelTest
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.base import ModelConfig
from recognizers.config import TrainConfig

TESTED = (1, 2, 3, 4, 5, 7, 9, 12)


def frames_in_testing(
    root: Path | None = None,
    out: Path = Path("runs/studies/test-frames"),
    setting: str | None = None,
    level: Level = "element",
    recognizers: list[str] | None = None,
    frames: int = 3,
    test_frames: list[int] | None = None,
    seeds: list[int] | None = None,
    epochs: int = 0,
    max_frames: int = FIRST_FRAMES,
    workers: int = 2,
    *,
    training: TrainConfig = TRAINING,
    rendered: ReleaseConfig = RENDERED,
) -> None:
    """Train recognizers with a fixed number of frames; test them with fewer and more (FineGym's Figure 6c).

    Writes test-frames.json and test-frames.png. An interrupted run resumes with the same command.

    Args:
        root: folder of a release in FineGym's format; without it a GymSim release is rendered.
        out: run folder, with results and plot.
        setting: gym99, fx-s1, …; may be omitted if the release has only one.
        level: level of the classes: element, set or event.
        recognizers: small tsn or tsm, or some of `gymqa list recognizers` whose weights do not depend on the number
            of frames; by default tsn tsm.
        frames: number of frames in training.
        test_frames: numbers of frames in testing, besides that of training; by default 1 2 3 4 5 7 9 12.
        seeds: seeds, one training each; by default 0 1 2.
        epochs: passes over the training clips, instead of training.steps; 0 uses training.steps.
        max_frames: frames kept of a longer clip, evenly spaced.
        workers: number of parallel trainings; on a CPU each is a process with one thread.
        training: training settings; model and seed are set by the study.
        rendered: settings of the GymSim release that is rendered without a root.
    """
    own = whole_numbers([frames], [], "frames")
    counts = whole_numbers([*own, *whole_numbers(test_frames, TESTED, "test_frames")], [], "test_frames")
    names = list(dict.fromkeys(recognizers or ("tsn", "tsm")))
    models = {name: with_n_frames(recognizer_named(name), frames) for name in names}
    for model in models.values():
        require_any_n_frames(model, counts)
    settings = StudySettings(root, setting, tuple(seeds or (0, 1, 2)), epochs, max_frames, training, rendered)
    asked = {"level": level, "recognizers": names, "frames": frames, "test_frames": counts}
    study = Study("test-frames", out, settings, asked, workers)
    study.prepare([level], max(model.image_size for model in models.values()))
    measured = study.measure(_cells(study, models, level, frames, counts))
    found = {(str(one.conditions["recognizer"]), int(one.conditions["tested"])): one for one in measured}
    chance = 1 / len(study.inputs.classes(level))
    others = [(name, count) for name in names for count in counts if count != frames]
    study.write(list(found.values()), [difference(found[one], found[one[0], frames]) for one in others], chance=chance)
    lines = [Line(name, {count: found[name, count].mean_class for count in counts}) for name in names]
    draw_lines(study.plot_path(), lines, f"frames in testing, {frames} in training", "mean-class accuracy (%)", chance)
    _show(study, found, names, counts)


def _cells(
    study: Study, models: Mapping[str, ModelConfig], level: Level, frames: int, counts: Sequence[int]
) -> list[Cell]:
    """A cell for each recognizer and number of test frames."""
    cells = []
    for name, model in models.items():
        trained = study.trainings(f"{name}-{level}-{frames}", model, level)
        for count in counts:
            conditions: Conditions = {"recognizer": name, "frames": frames, "tested": count}
            cells.append(Cell(conditions, {seed: (ModelTest(one, count),) for seed, one in trained.items()}))
    return cells


def _show(study: Study, found: dict[tuple[str, int], Measured], names: list[str], counts: list[int]) -> None:
    lines = [["mean-class %, tested with", *map(str, counts)]]
    lines += [[name, *(percent(found[name, count].mean_class) for count in counts)] for name in names]
    paper = study.paper("mean_class")
    lines.append(["FineGym's paper, TSN on Gym99", *(published_percent(paper, "tsn", str(count)) for count in counts)])
    study.show(lines)
