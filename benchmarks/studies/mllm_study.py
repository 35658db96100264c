"""Compare frozen video encoders in one MLLM on GymSim (SeFAR's Table 5): `python benchmarks/studies/mllm_study.py`.

99 rendered elements, 5 % and 10 % labelled, three seeds: the image ViT, and the recognizers that gymsim_ssl_study.py
trained with the same labels, each as frozen encoder of the same language model, tuned on the labelled clips alone or
with pseudo-labelled ones besides. Gym-QA, Gym-QA-Hard and Gym-New on clips of videos that no training has seen.
"""

import contextlib
import os
import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mllm_study_figures import draw, read_figures, show

from encoders.tuning.clips import pseudo_labels, read_probabilities
from encoders.tuning.config import FinetuneSettings
from gymqa.cli.commands.answers.evaluate import evaluate
from gymqa.cli.commands.data.questions import build
from gymqa.cli.commands.models.extract import extract
from gymqa.cli.commands.models.finetune import finetune
from gymqa.cli.commands.models.predict import predict
from gymqa.cli.main import run_script
from gymqa.cli.studies.inputs import FRAMES
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.io.files import write_json, write_text
from gymqa.questions.schema import PUBLISHED_BENCHMARKS
from gymqa.runtime.devices import choose_device
from gymqa.runtime.fast_precision import choose_precision
from gymqa.runtime.runs import Run, resolved
from recognizers.training.jobs import run_jobs
from recognizers.weights_io.tensors import weights_hash

RESULT = Path("benchmarks/results/mllm_study.json")
IMAGE = "image"
SURE = "sure.txt"  # unlabelled clips whose pseudo-label is sure enough


@dataclass(frozen=True)
class StudyConfig:
    """Settings of the study.

    Attributes:
        tuning: of the language model; views of the labelled clips among it.
        encoders: the image ViT, and algorithms of recognizers.
        pseudo: those that are also tuned with pseudo-labelled clips.
        rates: labelled fractions of the training clips.
        seeds: each with labelled clips and recognizers of its own.
    """

    tuning: FinetuneSettings = field(default_factory=lambda: FinetuneSettings(views=4, steps=240))
    encoders: tuple[str, ...] = (IMAGE, "supervised", "fixmatch", "sefar")
    pseudo: tuple[str, ...] = ("sefar",)
    rates: tuple[float, ...] = (0.05, 0.1)
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclass(frozen=True)
class Cell:
    """One tuned model."""

    encoder: str
    pseudo: bool
    rate: float
    seed: int

    @property
    def row(self) -> str:
        """Its name in the table."""
        return self.encoder + (" + pseudo-labels" if self.pseudo else "")

    @property
    def split(self) -> str:
        """Its splits' folder."""
        return f"split-{100 * self.rate:g}-{self.seed}"

    @property
    def recognizer(self) -> str:
        """Its encoder's folder below `models`."""
        return f"{self.encoder}-{100 * self.rate:g}-{self.seed}"

    @property
    def name(self) -> str:
        """Of its folders and steps."""
        return self.recognizer + ("-pseudo" if self.pseudo else "")


def main(
    recognizers: Path = Path("runs/gymsim-ssl"),
    out: Path = Path("runs/mllm-study"),
    json: Path = RESULT,
    figure: Path = Path("docs/mllm.png"),
    workers: int = 2,
    *,
    study: StudyConfig = StudyConfig(),
) -> None:
    """Extract, tune, ask, and write the figures; a stopped study goes on with the same command.

    Args:
        recognizers: folder of `gymsim_ssl_study.py --only rates`, whose recognizers, clips and splits are taken.
        out: folder of the run.
        json: file of the figures.
        figure: plot of the results.
        workers: models tuned at a time; on a CPU each in a process of one thread.
        study: what is tuned.
    """
    variants = [(encoder, False) for encoder in study.encoders] + [(encoder, True) for encoder in study.pseudo]
    cells = [Cell(*variant, rate, seed) for rate in study.rates for seed in study.seeds for variant in variants]
    for cell in cells:
        if cell.encoder != IMAGE and not (recognizers / "models" / cell.recognizer / "model.safetensors").exists():
            raise GymQAError(f"{recognizers} has no recognizer {cell.recognizer}; run gymsim_ssl_study.py --only rates")
    device = choose_device()
    run = Run(out, study, None, device, choose_precision(study.tuning.precision, device))
    val = recognizers / "splits" / cells[0].split / "val.txt"
    run.step("questions", {}, ["questions"], partial(_ask, recognizers, val, run.folder / "questions"))
    run_jobs({cell.name: partial(_tune_and_ask, run, recognizers, study.tuning, cell) for cell in cells}, workers)
    places = {cell.name: (cell.row, f"{100 * cell.rate:g} %", cell.seed) for cell in cells}
    figures = read_figures(run.folder, places)
    write_json(json, {**figures, "settings": resolved(study), "environment": run.environment})
    draw(figures, figure)
    show(figures)


def _ask(recognizers: Path, val: Path, out: Path) -> None:
    """Draw the questions of all benchmarks about the val clips, the same for all models."""
    for benchmark in PUBLISHED_BENCHMARKS:
        build(val, finegym=recognizers / "release", out=out / f"{benchmark}.jsonl", benchmark=benchmark)


def _tune_and_ask(run: Run, recognizers: Path, tuning: FinetuneSettings, cell: Cell) -> None:
    """All steps of one model; what the commands print is left out."""
    split, settings = recognizers / "splits" / cell.split, replace(tuning, seed=cell.seed)
    features, model, answers = (f"{kind}/{cell.name}" for kind in ("features", "mllm", "predictions"))
    source = IMAGE if cell.encoder == IMAGE else str(recognizers / "models" / cell.recognizer)
    made_of = {"views": tuning.views, "weights": None if cell.encoder == IMAGE else weights_hash(Path(source))}
    looked, guessed = f"features-{cell.name}", [f"guesses-{cell.name}"] if cell.pseudo else []
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        if cell.pseudo:
            guess = partial(_guess, recognizers, run.folder / f"guesses/{cell.name}", cell, tuning.pseudo_threshold)
            sure = {**made_of, "threshold": tuning.pseudo_threshold}
            run.step(guessed[0], sure, [f"guesses/{cell.name}"], guess)
        look = partial(_features, run.folder, recognizers, source, cell, tuning.views)
        run.step(looked, made_of, [features], look, guessed)
        tune = partial(
            finetune, run.folder / features, run.folder / model, clips=split / "labelled.txt",
            finegym=recognizers / "release", tuning=settings,
            pseudo=run.folder / f"guesses/{cell.name}/found.jsonl" if cell.pseudo else None,
            unlabelled=split / "unlabelled.txt" if cell.pseudo else None,
        )  # fmt: skip
        run.step(f"tune-{cell.name}", resolved(settings), [model], tune, [looked])
        answer = partial(
            evaluate, str(run.folder / model), run.folder / answers, features=run.folder / features, name=cell.row,
            questions=[run.folder / "questions"],
        )  # fmt: skip
        run.step(f"ask-{cell.name}", {}, [answers], answer, [f"tune-{cell.name}", "questions"])


def _guess(recognizers: Path, out: Path, cell: Cell, threshold: float) -> None:
    """Pseudo-label the unlabelled clips by the cell's recognizer, and list the confident ones."""

    split = recognizers / "splits" / cell.split
    unlabelled = split / "unlabelled.txt"
    found = out / "found.jsonl"
    predict(recognizers / "models" / cell.recognizer, recognizers / FRAMES, found, clips=unlabelled)
    classes = len(open_release(recognizers / "release").taxonomy)
    probabilities = read_probabilities(found, classes)
    sure = pseudo_labels(probabilities, read_element_list(unlabelled), [], threshold)
    write_text(out / SURE, "".join(f"{one.clip.id}\n" for one in sure))


def _features(folder: Path, recognizers: Path, source: str, cell: Cell, views: int) -> None:
    """Features of the clips that are learned from, in several views, and of the val clips."""
    split, out = recognizers / "splits" / cell.split, folder / f"features/{cell.name}"
    sure = folder / f"guesses/{cell.name}" / SURE
    learned = [split / "labelled.txt", *([sure] if cell.pseudo and sure.stat().st_size else [])]
    extract(source, recognizers / FRAMES, out, views, cell.seed, clips=learned)
    extract(source, recognizers / FRAMES, out, 1, cell.seed, clips=[split / "val.txt"])


if __name__ == "__main__":
    sys.exit(run_script(main, "mllm_study.py"))
