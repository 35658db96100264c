"""Semi-supervised recognition on Weizmann with few labelled people: `python benchmarks/studies/weizmann_study.py DATA`.

Weizmann ("Actions as Space-Time Shapes", ICCV'05): ten actions by nine people, one clip each. One person is left out,
to be tested on; of the other eight, two are labelled and six are not. Supervised-only against FixMatch and SeFAR, from
scratch and from the shipped image ViT; each person is left out once.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from paired_comparison import compare
from study_tables import percent, print_differences, print_table, spread
from study_trainings import Training, late_loss, right_clips, run_trainings

from eval.stats.bootstrap import FloatArray
from gymqa.cli.demo import DemoConfig
from gymqa.cli.main import run_script
from gymqa.cli.studies.inputs import FRAMES
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from gymqa.io.files import write_json
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import Run, resolved
from gymqa.video_datasets.base import VIDEO_SUFFIXES
from gymqa.video_datasets.registry import read_dataset
from recognizers.backbones.sefar import SeFARConfig
from recognizers.config import TrainConfig
from recognizers.ssl.algorithms import algorithm_named

RESULT = Path("benchmarks/results/weizmann_study.json")
ALGORITHMS = ("supervised", "fixmatch", "sefar")
STARTS = {"scratch": "from scratch", "shipped": "from the shipped image ViT"}
MAX_FRAMES = 32
Key = tuple[int, str, str, str]  # of a training: seed, person left out, start, algorithm


def _training() -> TrainConfig:
    """The demo's tiny recognizer and its settings, which were chosen on rendered gymnasts.

    Smaller batches, for there are 20 labelled and 60 unlabelled clips.
    """
    demo = DemoConfig().training
    model = replace(demo.model, n_classes=10)
    return replace(
        demo, model=model, steps=300, warm_up_steps=100, labelled_batch=8, unlabelled_batch=4, tracker="none",
        learning_rate=2e-3, backbone_rate=0.2,
    )  # fmt: skip


@dataclass(frozen=True)
class StudyConfig:
    """Settings of the study.

    Attributes:
        training: of every model; algorithm, start and seed are set by the study.
        scratch_rate: learning rate from scratch; at the demo's, the labelled clips themselves are learnt more slowly.
        labelled_people: how many of the others are labelled.
        seeds: each draws the labelled people anew and trains with it.
    """

    training: TrainConfig = field(default_factory=_training)
    scratch_rate: float = 5e-4
    labelled_people: int = 2
    seeds: tuple[int, ...] = (0,)

    def of(self, start: str, algorithm: str, seed: int) -> TrainConfig:
        """The settings of one training; from scratch, no block is frozen."""
        config = replace(self.training, algorithm=algorithm_named(algorithm), seed=seed)
        if start == "shipped":
            return config
        assert isinstance(config.model, SeFARConfig)
        model = replace(config.model, frozen_blocks=0)
        return replace(config, initial="none", learning_rate=self.scratch_rate, model=model)


def main(
    data: Path,
    out: Path = Path("runs/weizmann"),
    json: Path = RESULT,
    workers: int = 2,
    *,
    study: StudyConfig = StudyConfig(),
) -> None:
    """Train and test every fold, and write the figures; a stopped study goes on with the same command.

    Args:
        data: folder of the class folders, bend/daria_bend.avi and so on.
        out: folder of the run.
        json: file of the figures.
        workers: trainings at a time, each in a process of one thread.
        study: what is trained.
    """
    people = people_of(data)
    device = choose_device()
    run = Run(out, study, None, device, choose_precision(study.training.precision, device))
    _frames(run, study, data, people[0])
    labelled = {seed: _splits(run, study, data, people, seed) for seed in study.seeds}
    trainings = _trainings(study, people)
    run_trainings(run, list(trainings.values()), workers)
    figures = {
        **_figures(run, people, trainings),
        "labelled_people": {str(seed): found for seed, found in labelled.items()},
        "settings": resolved(study),
        "environment": run.environment,
    }
    write_json(json, figures)
    _show(figures)


def people_of(data: Path) -> list[str]:
    """Everybody who is in the clips, by name.

    Raises:
        GymQAError: there are too few to leave one out.
    """
    videos = [path for path in sorted(data.glob("*/*")) if path.suffix.lower() in VIDEO_SUFFIXES]
    people = sorted({path.stem.partition("_")[0] for path in videos})
    if len(people) < 3:
        raise GymQAError(f"{data} shows {len(people)} people, and none can be left out; name Weizmann's folder")
    return people


def labelled_people(people: list[str], left_out: str, count: int, seed: int) -> list[str]:
    """Who is labelled when `left_out` is tested: drawn from the others by the seed, whatever is trained."""
    others = [person for person in people if person != left_out]
    if not 0 < count < len(others):
        raise GymQAError(f"{count} of {len(others)} people cannot be labelled; choose 1 to {len(others) - 1}")
    drawn = np.random.default_rng((seed, people.index(left_out))).choice(len(others), count, replace=False)
    return [others[place] for place in sorted(drawn)]


def _frames(run: Run, study: StudyConfig, data: Path, person: str) -> None:
    """The frame cache of all clips."""
    dataset, videos = read_dataset("folders", data, fold=person)
    size = study.training.model.image_size
    build = partial(
        FrameCache.build, run.folder / FRAMES, list(dataset.paths), lambda clip: videos / dataset.paths[clip], size,
        MAX_FRAMES, 1,
    )  # fmt: skip
    run.step(FRAMES, {"size": size, "clips": list(dataset.paths)}, [FRAMES], lambda: _nothing(build()))


def _nothing(_: object) -> None:
    return None


def _splits(run: Run, study: StudyConfig, data: Path, people: list[str], seed: int) -> dict[str, list[str]]:
    """Write every fold's splits; who is labelled in each."""
    labelled = {}
    for person in people:
        dataset, _ = read_dataset("folders", data, fold=person)
        chosen = labelled[person] = labelled_people(people, person, study.labelled_people, seed)
        name = _fold(person, seed)
        splits = _divide(dataset.train, dataset.val, chosen)
        settings = {"labelled": chosen, "clips": list(dataset.paths)}
        run.step(name, settings, [f"splits/{name}"], partial(splits.write, run.folder / "splits" / name))
    return labelled


def _divide(train: list[Clip], val: list[Clip], labelled: list[str]) -> Splits:
    """The labelled people's clips, the others' without label, and the clips of the person left out."""
    return Splits(
        [clip for clip in train if clip.video_id in labelled],
        [replace(clip, label=None) for clip in train if clip.video_id not in labelled],
        val,
    )


def _fold(person: str, seed: int) -> str:
    return f"split-{person}-{seed}"


def _trainings(study: StudyConfig, people: list[str]) -> dict[Key, Training]:
    """All trainings, one fold after the other."""
    return {
        (seed, person, start, algorithm): Training(
            f"{start}-{algorithm}-{person}-{seed}", study.of(start, algorithm, seed), _fold(person, seed)
        )
        for seed in study.seeds
        for person in people
        for start in STARTS
        for algorithm in ALGORITHMS
    }


def _figures(run: Run, people: list[str], trainings: Mapping[Key, Training]) -> dict[str, Any]:
    """Top-1 of every start and algorithm over the folds, and the differences between the algorithms."""
    figures: dict[str, Any] = {"top1": {}, "differences": {}, "late_loss_of_labelled_clips": {}}
    for start in STARTS:
        points = {}
        for name in figures:
            figures[name][start] = {}
        for algorithm in ALGORITHMS:
            own = {key: training for key, training in trainings.items() if key[2:] == (start, algorithm)}
            folds = {person: _fold_points(run, own, person) for person in people}
            top1 = {person: float(np.mean(values)) for person, values in folds.items()}
            figures["top1"][start][algorithm] = {**spread(list(top1.values())), "folds": top1}
            losses = [late_loss(run, training) for training in own.values()]
            figures["late_loss_of_labelled_clips"][start][algorithm] = float(np.mean(losses))
            points[algorithm] = np.concatenate(list(folds.values()))
        clusters = [person for person, values in folds.items() for _ in values]
        pairs = [(later, earlier) for earlier, later in combinations(ALGORITHMS, 2)]
        found = compare(points, pairs, clusters)
        figures["differences"][start] = {name: asdict(one) for name, one in found.items()}
    return figures | {"people": len(people), "clips": len(clusters)}


def _fold_points(run: Run, trainings: Mapping[Key, Training], person: str) -> FloatArray:
    """For each clip of a person, the fraction of the seeds' models that get it right when the person is left out."""
    seeds = [right_clips(run, training) for key, training in trainings.items() if key[1] == person]
    return np.array([np.mean([found[clip] for found in seeds]) for clip in sorted(seeds[0])])


def _show(figures: Mapping[str, Any]) -> None:
    """Print the table, and the differences below."""
    top1 = figures["top1"]
    rows = {name: [percent(top1[start][name]) for start in STARTS] for name in ALGORITHMS}
    print_table("Top-1 %, mean ± sd over people", list(STARTS.values()), rows)
    for start, title in STARTS.items():
        print(f"{title}:")
        print_differences(figures["differences"][start])


if __name__ == "__main__":
    sys.exit(run_script(main, "weizmann_study.py"))
