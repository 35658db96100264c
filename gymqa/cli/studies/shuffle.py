"""`gymqa study shuffle`: accuracy on ordered, shuffled and reversed frames, as FineGym's Figure 6b."""

from collections.abc import Mapping
from pathlib import Path

from gymqa.cli.studies.frame_counts import n_frames_of, with_n_frames
from gymqa.cli.studies.plots import draw_bars
from gymqa.cli.studies.results import Cell, Measured, difference
from gymqa.cli.studies.settings import FIRST_FRAMES, RENDERED, TRAINING, Level, StudySettings, recognizer_named
from gymqa.cli.studies.study import Study, percent, published_percent
from gymqa.cli.studies.trainings import ModelTest
from gymqa.errors import GymQAError
from gymqa.frames.controls import NONE, REVERSED, SHUFFLED
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.base import ModelConfig
from recognizers.config import TrainConfig

ORDERED = "ordered"
TRAINED = {ORDERED: False, SHUFFLED: True}
TESTED = {ORDERED: NONE, SHUFFLED: SHUFFLED, REVERSED: REVERSED}


def shuffle(
    root: Path | None = None,
    out: Path = Path("runs/studies/shuffle"),
    setting: str | None = None,
    level: Level = "element",
    recognizers: list[str] | None = None,
    frames: int = 5,
    seeds: list[int] | None = None,
    epochs: int = 0,
    max_frames: int = FIRST_FRAMES,
    workers: int = 2,
    *,
    training: TrainConfig = TRAINING,
    rendered: ReleaseConfig = RENDERED,
) -> None:
    """Train and test recognizers on ordered and on shuffled frames (FineGym's Figure 6b), and test on reversed ones.

    Writes shuffle.json and shuffle.png. An interrupted run resumes with the same command.

    Args:
        root: folder of a release in FineGym's format; without it a GymSim release is rendered.
        out: run folder, with results and plot.
        setting: ub-s1 as in Figure 6b, gym99, …; may be omitted if the release has only one.
        level: level of the classes: element, set or event.
        recognizers: small tsn, trn, trn-ms or tsm, or some of `gymqa list recognizers`; by default tsn trn tsm.
        frames: input frames of a clip; 0 uses the recognizer's own number.
        seeds: seeds, one training each; by default 0 1.
        epochs: passes over the training clips, instead of training.steps; 0 uses training.steps.
        max_frames: frames kept of a longer clip, evenly spaced.
        workers: number of parallel trainings; on a CPU each is a process with one thread.
        training: training settings; model and seed are set by the study.
        rendered: settings of the GymSim release that is rendered without a root.
    """
    names = list(dict.fromkeys(recognizers or ("tsn", "trn", "tsm")))
    bases = {name: recognizer_named(name) for name in names}
    models = {name: with_n_frames(base, frames) if frames else base for name, base in bases.items()}
    if min(n_frames_of(model) for model in models.values()) < 2:
        raise GymQAError(f"{frames} frame cannot be shuffled; set --frames to 2 or more")
    settings = StudySettings(root, setting, tuple(seeds or (0, 1)), epochs, max_frames, training, rendered)
    asked = {"level": level, "recognizers": names, "frames": frames}
    study = Study("shuffle", out, settings, asked, workers)
    study.prepare([level], max(model.image_size for model in models.values()))
    found = {_key(one): one for one in study.measure(_cells(study, models, level))}
    chance = 1 / len(study.inputs.classes(level))
    study.write(list(found.values()), _losses(found, names), chance=chance)
    bars = {
        name: {_title(*way): found[name, *way].mean_class for way in _ways()} for name in names
    }  # fmt: skip
    draw_bars(study.plot_path(), bars, "mean-class accuracy (%)", chance)
    _show(study, found, names)


def _cells(study: Study, models: Mapping[str, ModelConfig], level: Level) -> list[Cell]:
    """A cell for each recognizer, order in training and order in testing."""
    cells = []
    for name, model in models.items():
        for trained, reshuffled in TRAINED.items():
            of_seed = study.trainings(f"{name}-{level}-{n_frames_of(model)}-{trained}", model, level, reshuffled)
            for tested, control in TESTED.items():
                conditions = {"recognizer": name, "trained": trained, "tested": tested}
                tests = {seed: (ModelTest(one, control=control),) for seed, one in of_seed.items()}
                cells.append(Cell(conditions, tests))
    return cells


def _key(one: Measured) -> tuple[str, str, str]:
    recognizer, trained, tested = (str(one.conditions[name]) for name in ("recognizer", "trained", "tested"))
    return recognizer, trained, tested


def _ways() -> list[tuple[str, str]]:
    """Pairs of frame orders in training and testing."""
    return [(trained, tested) for trained in TRAINED for tested in TESTED]


def _title(trained: str, tested: str) -> str:
    return f"{trained} → {tested}"


def _losses(found: dict[tuple[str, str, str], Measured], names: list[str]) -> list[dict[str, object]]:
    """Difference of each other pair of orders from ordered frames in training and testing."""
    others = [way for way in _ways() if way != (ORDERED, ORDERED)]
    return [difference(found[name, *way], found[name, ORDERED, ORDERED]) for name in names for way in others]


def _show(study: Study, found: dict[tuple[str, str, str], Measured], names: list[str]) -> None:
    lines = [["mean-class %, trained → tested", *names]]
    lines += [[_title(*way), *(percent(found[name, *way].mean_class) for name in names)] for way in _ways()]
    paper = study.paper("mean_class")
    lines.append(
        ["FineGym's paper, UB-S1, ordered → ordered", *(published_percent(paper, name, ORDERED) for name in names)]
    )
    study.show(lines)
