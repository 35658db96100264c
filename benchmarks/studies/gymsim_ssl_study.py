"""SeFAR's comparisons and ablations on GymSim: `python benchmarks/studies/gymsim_ssl_study.py`.

99 rendered elements, 5 % and 10 % labelled: supervised-only, FixMatch, SVFormer, SeFAR, several seeds; and, at 5 %, the
component and perturbation ablations in the layout of SeFAR's Tables 3 and 4 (AAAI'25, arXiv 2501.01245).
"""

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

from gymsim_ssl_parts import PARTS, Cell, Variant, part_figures, read_part, show_part
from study_tables import other_parts
from study_trainings import Training, run_trainings

from gymqa.cli.commands.models.recipes import RECIPES
from gymqa.cli.demo import DemoConfig
from gymqa.cli.main import run_script
from gymqa.cli.studies.inputs import FRAMES
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.finegym.splits import make_splits
from gymqa.frames.cache import FrameCache
from gymqa.io.files import write_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import Run, resolved
from gymqa.sim.release import FORMAT, ReleaseConfig, render_release
from recognizers.backbones.sefar import SeFARConfig
from recognizers.config import TrainConfig

RESULT = Path("benchmarks/results/gymsim_ssl_study.json")
RENDER, RELEASE = "render", "release"
MAX_FRAMES = 24


def _training() -> TrainConfig:
    """The demo's tiny recognizer for 99 classes, and twice the demo's steps."""
    demo = DemoConfig().training
    longer = replace(demo, steps=600, warm_up_steps=150, learning_rate=2e-3, backbone_rate=0.2)
    return replace(longer, model=replace(demo.model, n_classes=99), tracker="none")


@dataclass(frozen=True)
class StudyConfig:
    """Settings of the study.

    Attributes:
        release: the videos; their athletes and halls are neither in the demo nor were used to choose its settings.
        training: of every model; the study sets algorithm, temporal elements and seed.
        rates: labelled fractions of the training clips; the ablations use the first.
        seeds: of the labelled clips and the trainings.
    """

    release: ReleaseConfig = field(
        default_factory=lambda: ReleaseConfig(
            train_videos=90, val_videos=30, raw_videos=0, size=96, seed=2, setting="gymsim99"
        )
    )
    training: TrainConfig = field(default_factory=_training)
    rates: tuple[float, ...] = (0.05, 0.1)
    seeds: tuple[int, ...] = (0, 1, 2)

    def of(self, variant: Variant, seed: int) -> TrainConfig:
        """The settings of one training."""
        assert isinstance(self.training.model, SeFARConfig)
        model = replace(self.training.model, elements=variant.elements)
        return replace(self.training, model=model, algorithm=variant.algorithm, seed=seed)


def main(
    out: Path = Path("runs/gymsim-ssl"),
    json: Path = RESULT,
    workers: int = 2,
    recipes: Path = RECIPES,
    only: list[str] | None = None,
    *,
    study: StudyConfig = StudyConfig(),
) -> None:
    """Render, train, test, and write the figures; a stopped study goes on with the same command.

    The figures of parts that are not chosen stay in the file, where they were made with the same settings.

    Args:
        out: folder of the run.
        json: file of the figures.
        workers: trainings at a time; on a CPU each in a process of one thread.
        recipes: folder of the recipes, for the rows of the ablations and the paper's figures.
        only: rates, components, perturbations; all three without it.
        study: what is rendered and trained.
    """
    chosen = only or list(PARTS)
    unknown = [name for name in chosen if name not in PARTS]
    if unknown:
        raise GymQAError(f"the study has no part {unknown[0]!r}; choose of {', '.join(PARTS)}")
    parts = {name: read_part(name, study.rates, recipes) for name in PARTS if name in chosen}
    device = choose_device()
    run = Run(out, study, None, device, choose_precision(study.training.precision, device))
    _inputs(run, study, workers)
    trainings = {name: [(cell, _of_cell(study, cell)) for cell in cells] for name, cells in parts.items()}
    wanted = (training for part in trainings.values() for _, of_seed in part for training in of_seed.values())
    run_trainings(run, _each_once(wanted), workers)
    found = {name: part_figures(run, name, part) for name, part in trainings.items()}
    settings = {**resolved(study), "format": FORMAT}
    both = other_parts(json, settings) | found
    ordered = {name: both[name] for name in PARTS if name in both}
    write_json(json, {"parts": ordered, "settings": settings, "environment": run.environment})
    for name in found:
        show_part(name, found[name])


def _inputs(run: Run, study: StudyConfig, workers: int) -> None:
    """Videos, cached frames, and the splits of every labelled fraction and seed."""
    root = run.folder / RELEASE
    rendered = {**asdict(study.release), "format": FORMAT}
    run.step(RENDER, rendered, [RELEASE], lambda: _nothing(render_release(root, study.release, workers)))
    release = open_release(root)
    setting, classes = release.taxonomy.setting, len(release.taxonomy)
    train, val = (
        read_element_list(release.annotations / f"{setting}_{part}_element.txt", classes) for part in ("train", "val")
    )
    ids, size = [clip.id for clip in (*train, *val)], study.training.model.image_size
    build = partial(FrameCache.build, run.folder / FRAMES, ids, release.clip_path, size, MAX_FRAMES, workers)
    run.step(FRAMES, {"size": size, "max_frames": MAX_FRAMES}, [FRAMES], lambda: _nothing(build()), [RENDER])
    for rate in study.rates:
        for seed in study.seeds:
            name = _split(rate, seed)
            write = partial(make_splits(train, val, rate, seed).write, run.folder / "splits" / name)
            run.step(name, {"labelled": rate, "seed": seed}, [f"splits/{name}"], write, [RENDER])


def _nothing(_: object) -> None:
    return None


def _split(rate: float, seed: int) -> str:
    return f"split-{100 * rate:g}-{seed}"


def _of_cell(study: StudyConfig, cell: Cell) -> dict[int, Training]:
    """A cell's trainings, by seed."""
    variant, rate = cell.variant, cell.rate
    return {
        seed: Training(f"{variant.name}-{100 * rate:g}-{seed}", study.of(variant, seed), _split(rate, seed))
        for seed in study.seeds
    }


def _each_once(trainings: Iterable[Training]) -> list[Training]:
    """The full method stands in every table and is trained once."""
    return list({training.name: training for training in trainings}.values())


if __name__ == "__main__":
    sys.exit(run_script(main, "gymsim_ssl_study.py"))
