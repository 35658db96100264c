"""`gymqa study test-frames`: trained with a few frames, tested with more, FineGym's Figure 6c."""

from pathlib import Path

from gymqa.cli.studies.frame_counts import require_any_n_frames, with_n_frames
from gymqa.cli.studies.plots import Line, draw_lines
from gymqa.cli.studies.results import Cell, Measured, Place, difference
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
    """Train recognizers with n frames of a clip, and test them with fewer and more (FineGym's Figure 6c).

    Writes test-frames.json and test-frames.png; stopped, the same command goes on.

    Args:
        root: a release of FineGym's format; without it GymSim is rendered.
        out: folder of the run, its figures and picture.
        setting: gym99, fx-s1, …; may be left out where the release has only one.
        level: element, set or event: what is recognized.
        recognizers: tsn or tsm, small ones, or some of `gymqa list recognizers` whose weights do not depend on the
            number of frames; tsn tsm when not given.
        frames: in training.
        test_frames: in testing, besides those of training; 1 2 3 4 5 7 9 12 when not given.
        seeds: one training each; 0 1 2 when not given.
        epochs: passes over the training clips, instead of training.steps; 0 keeps those.
        max_frames: frames of a clip that are kept, evenly spaced.
        workers: trainings at a time; on a CPU each in a process of one thread.
        training: how each is trained; model and seed are the study's.
        rendered: what is rendered without a root.
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
    cells = []
    for name, model in models.items():
        trained = study.trainings(f"{name}-{level}-{frames}", model, level)
        for count in counts:
            place: Place = {"recognizer": name, "frames": frames, "tested": count}
            cells.append(Cell(place, {seed: (ModelTest(one, count),) for seed, one in trained.items()}))
    found = {(str(one.place["recognizer"]), int(one.place["tested"])): one for one in study.measure(cells)}
    chance = 1 / len(study.inputs.classes(level))
    others = [(name, count) for name in names for count in counts if count != frames]
    study.write(list(found.values()), [difference(found[one], found[one[0], frames]) for one in others], chance=chance)
    lines = [Line(name, {count: found[name, count].mean_class for count in counts}) for name in names]
    draw_lines(study.picture(), lines, f"frames in testing, {frames} in training", "mean-class accuracy (%)", chance)
    _show(study, found, names, counts)


def _show(study: Study, found: dict[tuple[str, int], Measured], names: list[str], counts: list[int]) -> None:
    lines = [["mean-class %, tested with", *map(str, counts)]]
    lines += [[name, *(percent(found[name, count].mean_class) for count in counts)] for name in names]
    paper = study.paper("mean_class")
    lines.append(["FineGym's paper, TSN on Gym99", *(printed_percent(paper, "tsn", str(count)) for count in counts)])
    study.show(lines)
