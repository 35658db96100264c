"""Top-1 of every recognizer and every algorithm on GymSim: `python benchmarks/studies/recognizer_table.py`.

Each name of `gymqa list recognizers` in small, trained from scratch on all labels; and each name of
`gymqa list algorithms` on one small network, with a fifth of the labels. One training each.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from paired_comparison import compare
from small_recognizers import small_recognizers
from study_tables import difference_text, other_parts, print_table
from study_trainings import Training, late_loss, right_clips, run_trainings

from eval.metrics.recognition import mean_class, read_class_predictions
from eval.stats.bootstrap import Interval, mean_interval
from gymqa.cli.main import run_script
from gymqa.cli.studies.inputs import RELEASE, RENDER, prepare, prepare_flow, prepare_poses
from gymqa.cli.studies.settings import SMALL, StudySettings
from gymqa.cli.studies.study import percent
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, video_of
from gymqa.finegym.splits import make_splits
from gymqa.io.files import write_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import Run, resolved
from gymqa.sim.release import FORMAT
from recognizers.backbones.registry import describe
from recognizers.config import TrainConfig
from recognizers.ssl.algorithms import ALGORITHMS, algorithm_named

RESULT = Path("benchmarks/results/recognizer_table.json")
PARTS = ("recognizers", "algorithms")


def _inputs_and_training() -> StudySettings:
    """The videos and the supervised training of FineGym's studies, in float32.

    In bfloat16 torch 2.13's 3-D convolution on a CPU gave a gradient of infinity (C3D's, in its first steps).
    """
    usual = StudySettings()
    return replace(usual, seeds=(0,), training=replace(usual.training, precision="float32"))


def _few_labels() -> TrainConfig:
    """The algorithms' training: the same, with eight clips of each kind a step and a quarter of the steps labelled."""
    usual = _inputs_and_training().training
    model = replace(SMALL["tsm"], n_classes=24)
    return replace(usual, model=model, warm_up_steps=usual.steps // 4, labelled_batch=8, unlabelled_batch=8)


@dataclass(frozen=True)
class TableConfig:
    """Settings of the table.

    Attributes:
        all_labels: the videos, and how every recognizer is trained; its seed is everything's.
        few_labels: how every algorithm is trained, and on which network; the table sets the algorithm and the seed.
        labelled: fraction of labelled training clips for the algorithms.
    """

    all_labels: StudySettings = field(default_factory=_inputs_and_training)
    few_labels: TrainConfig = field(default_factory=_few_labels)
    labelled: float = 0.2

    def __post_init__(self) -> None:
        given = self.all_labels
        if given.root or given.setting or given.epochs or len(given.seeds) > 1:
            raise GymQAError(
                "the table renders GymSim and trains once, in steps; leave root, setting, epochs and seeds out"
            )

    @property
    def seed(self) -> int:
        """Of the labelled clips and of every training."""
        return self.all_labels.seeds[0]


def main(
    out: Path = Path("runs/recognizer-table"),
    json: Path = RESULT,
    workers: int = 2,
    only: list[str] | None = None,
    *,
    table: TableConfig = TableConfig(),
) -> None:
    """Render, train, test, and write the figures; a stopped table goes on with the same command.

    Args:
        out: folder of the run.
        json: file of the figures; a part that is not chosen stays in it, if its settings were the same.
        workers: trainings at a time; on a CPU each in a process of one thread.
        only: recognizers, algorithms; both without it.
        table: what is rendered and trained.
    """
    unknown = [name for name in only or () if name not in PARTS]
    if unknown:
        raise GymQAError(f"the table has no part {unknown[0]!r}; choose of {', '.join(PARTS)}")
    device = choose_device()
    run = Run(out, table, table.seed, device, choose_precision(table.few_labels.precision, device))
    _prepare(run, table, workers)
    both = {"recognizers": _recognizers(table), "algorithms": _algorithms(table)}
    trainings = {name: both[name] for name in PARTS if name in (only or PARTS)}
    run_trainings(run, [one for part in trainings.values() for one in part.values()], workers)
    settings = {**resolved(table), "format": FORMAT}
    found = {name: _figures(run, name, part) for name, part in trainings.items()}
    parts = other_parts(json, settings) | found
    write_json(json, {"parts": parts, "settings": settings, "environment": run.environment})
    for name in found:
        _show(name, found[name])


def _prepare(run: Run, table: TableConfig, workers: int) -> None:
    """Videos, frames, flow, skeletons, and the splits of both parts."""
    settings = table.all_labels
    sizes = {config.image_size for config in small_recognizers().values() if config.modality != "pose"}
    prepare(run, settings, (), max(sizes), workers)
    prepare_flow(run, "dis", workers)
    prepare_poses(run, settings, "gymsim15", None)
    release = open_release(run.folder / RELEASE)
    train, val = (release.read_clips(path) for path in (release.train_list, release.val_list))
    for share in (1.0, table.labelled):
        write = partial(make_splits(train, val, share, table.seed).write, run.folder / "splits" / _split(share))
        drawn = {"labelled": share, "seed": table.seed}
        run.step(_split(share), drawn, [f"splits/{_split(share)}"], write, [RENDER])


def _split(share: float) -> str:
    return f"split-{100 * share:g}"


def _recognizers(table: TableConfig) -> dict[str, Training]:
    """A training of each recognizer, by its name or names."""
    settings, seed = table.all_labels, table.seed
    return {
        names: Training(f"of-{names.split(', ')[0]}", replace(settings.training, model=config, seed=seed), _split(1.0))
        for names, config in small_recognizers().items()
    }


def _algorithms(table: TableConfig) -> dict[str, Training]:
    """A training with each algorithm, by its name."""
    split, usual = _split(table.labelled), replace(table.few_labels, seed=table.seed)
    return {name: Training(f"by-{name}", replace(usual, algorithm=algorithm_named(name)), split) for name in ALGORITHMS}


def _figures(run: Run, part: str, trainings: Mapping[str, Training]) -> dict[str, Any]:
    """Top-1 of a part's models; algorithms are compared with supervised training."""
    rows, points = {}, {}
    for name, training in trainings.items():
        right = right_clips(run, training)
        clips = list(right)
        points[name] = np.array([right[clip] for clip in sorted(right)])
        rows[name] = {
            "top1": asdict(mean_interval(np.array(list(right.values())), [video_of(clip) for clip in clips])),
            "mean_class": mean_class(read_class_predictions(run.folder / training.predictions)),
            "late_loss": late_loss(run, training),
            **(_sizes(name, training) if part == "recognizers" else {}),
        }
    videos = [video_of(clip) for clip in sorted(right)]
    figures: dict[str, Any] = {"rows": rows, "clips": len(videos), "videos": len(set(videos))}
    if part == "algorithms":
        pairs = [(name, "supervised") for name in trainings if name != "supervised"]
        figures["differences"] = {pair: asdict(one) for pair, one in compare(points, pairs, videos).items()}
    return figures


def _sizes(names: str, training: Training) -> dict[str, Any]:
    """Input of a recognizer, and its parameters here and in its registered config, in millions."""
    model = training.config.model
    here = sum(one.numel() for one in model.build().parameters())
    full = {name: describe(name)["millions"] for name in names.split(", ")}
    return {"modality": model.modality, "frames": model.frames, "millions": round(here / 1e6, 2), "full_millions": full}


def _show(part: str, figures: Mapping[str, Any]) -> None:
    """Print a part's table."""
    lines = {}
    for name, row in figures["rows"].items():
        top1 = percent(Interval(**row["top1"]))
        lines[name] = [top1, f"{100 * row['mean_class']:.1f}", f"{row['late_loss']:.2f}"]
        if part == "recognizers":
            lines[name] += [row["modality"], f"{row['frames']}", f"{row['millions']:.2f} M"]
        else:
            gain = figures["differences"].get(f"{name} - supervised")
            lines[name].append("–" if gain is None else difference_text(gain))
    more: Sequence[str] = ("sees", "frames", "parameters") if part == "recognizers" else ("beside the labels alone",)
    print_table(part, ["Top-1", "mean class", "late loss", *more], lines)
    print()


if __name__ == "__main__":
    sys.exit(run_script(main, "recognizer_table.py"))
