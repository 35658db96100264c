"""`gymqa evaluate`: a model answers every question."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.results import file_info
from eval.runner import Terms, run
from gymqa.commands.answerers import Request, adapter_of, load
from gymqa.controls import NONE, require_control
from gymqa.devices import own_device
from gymqa.errors import GymQAError
from gymqa.launching import end_with_launcher, require_no_other, this_process
from gymqa.questions import Prediction, Question, load_questions
from gymqa.runs import environment


@dataclass(frozen=True)
class QuestionFile:
    """A file of questions, and what its predictions are called."""

    path: Path
    questions: list[Question]
    name: str = ""

    @property
    def benchmark(self) -> str:
        """The one benchmark that its questions are of, or the file's name."""
        found = {question.benchmark for question in self.questions}
        return found.pop() if len(found) == 1 else self.path.stem


def evaluate(
    model: str = "",
    out: Path = Path("runs/predictions"),
    adapter: str | None = None,
    features: Path | None = None,
    frames: Path | None = None,
    encode_with: str | None = None,
    controls: list[str] | None = None,
    control_seed: int = 0,
    benchmark: list[str] | None = None,
    tier: list[str] | None = None,
    name: str | None = None,
    encoder: str = "",
    scoring: str = "texts",
    batch_size: int = 64,
    device: str = "cpu",
    *,
    questions: list[Path],
) -> None:
    """Ask a model every question of some files, under some controls; answers are kept as they come.

    Stopped, the same command goes on with the questions still open, also with another number of processes. A clip that
    cannot be seen is left unanswered, and counts as wrong. Beside each predictions file its result is written: what
    answered which questions, with hashes of configuration and environment.

    Args:
        model: folder of `gymqa finetune` or `gymqa train`, the .jsonl of `gymqa predict`, or what --adapter takes.
        out: folder of the predictions, <benchmark>.jsonl and <benchmark>.<control>.jsonl; or the .jsonl file, where
            there is one file of questions and one control.
        adapter: kind of model; found out by itself for what gymqa's own commands write.
        features: folder of `gymqa extract`, of the encoder that the model was tuned with; not for a blind model.
        frames: folder of `gymqa cache`; features and class probabilities are made of it where a control needs them.
        encode_with: the encoder that the model was tuned with, as `gymqa extract` takes it, where --frames is read.
        controls: none, no-video, one-frame, frozen, shuffled, reversed, mismatched; one or more (none by default).
        control_seed: of the controls that draw.
        benchmark: ask only files of these benchmarks.
        tier: ask only files whose questions are of these tiers.
        name: of the model in the leaderboard; by default its file or folder.
        encoder: name of the encoder in the leaderboard.
        scoring: texts (likelihood of each choice) or letters (likelihood of A, B, …; faster, less often right here).
        batch_size: questions at a time.
        device: cpu, cuda, cuda:1, …; several processes take one GPU each.
        questions: .jsonl files of `gymqa questions build`, or folders of them.
    """
    require_no_other("evaluate")
    asked_under = list(dict.fromkeys(controls or [NONE]))
    for control in asked_under:
        require_control(control)
    files = choose_files(questions, benchmark, tier)
    outs = {(file.path, control): out_path(out, file, control, len(files) * len(asked_under) == 1)
            for file in files for control in asked_under}  # fmt: skip
    kind = adapter or adapter_of(model)
    request = Request(
        model=model,
        name=name or Path(model).name.removesuffix(".jsonl") or kind,
        scoring=scoring,
        batch_size=batch_size,
        device=own_device(device),
        features=features,
        frames=frames,
        encode_with=encode_with,
        control_seed=control_seed,
        folder=out.parent if out.suffix == ".jsonl" else out,
        clips={question.clip_id: question for file in files for question in file.questions},
    )
    process = this_process()
    end_with_launcher()
    loaded, around = load(kind, request), environment(device=device)
    for control in asked_under:
        answerer = loaded.under(control)
        for file in files:
            terms = Terms(
                encoder=encoder,
                adapter=kind,
                revision=loaded.revision,
                control=control,
                scoring=loaded.scoring,
                n_frames=loaded.n_frames,
                questions=file_info(file.path),
                settings={} if control == NONE else {"control_seed": control_seed},
                environment=around,
            )
            target = outs[file.path, control]
            predictions = run(answerer, file.questions, target, batch_size, terms, process)
            if process[0] == 0:
                print(summary(target, predictions))


def choose_files(
    paths: Sequence[Path], benchmarks: Sequence[str] | None, tiers: Sequence[str] | None
) -> list[QuestionFile]:
    """Read question files, those below a folder too, and keep the ones that are wanted, each with a name of its own.

    Raises:
        GymQAError: a file is missing or wrong, none is left, or two would have the same name.
    """
    found = [file for path in paths for file in (sorted(path.rglob("*.jsonl")) if path.is_dir() else [path])]
    read = [QuestionFile(path, load_questions(path)) for path in dict.fromkeys(found)]
    kept = [
        file
        for file in read
        if (benchmarks is None or file.benchmark in benchmarks)
        and (tiers is None or {question.tier for question in file.questions} <= {*tiers})
    ]
    if not kept:
        had = ", ".join(sorted({file.benchmark for file in read})) or "no file"
        raise GymQAError(f"no file of questions is left to be asked; --questions has {had}")
    times = Counter(file.benchmark for file in kept)
    names = [file.benchmark if times[file.benchmark] == 1 else f"{file.benchmark}-{file.path.stem}" for file in kept]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise GymQAError(f"two files of questions would both be answered in {twice}.jsonl; give them other names")
    return [QuestionFile(file.path, file.questions, name) for file, name in zip(kept, names, strict=True)]


def out_path(out: Path, file: QuestionFile, control: str, alone: bool) -> Path:
    """The predictions file of some questions under a control.

    Raises:
        GymQAError: `out` is one file, and there are several.
    """
    if out.suffix == ".jsonl":
        if not alone:
            raise GymQAError(f"{out} can hold the answers to one file of questions under one control; name a folder")
        return out
    return out / (f"{file.name}.jsonl" if control == NONE else f"{file.name}.{control}.jsonl")


def summary(out: Path, predictions: Sequence[Prediction]) -> str:
    """How many answers are right."""
    right = sum(prediction.choice == prediction.answer for prediction in predictions)
    unanswered = sum(prediction.choice is None for prediction in predictions)
    return f"{out}: {right} of {len(predictions)} right, {unanswered} unanswered"


COMMAND = evaluate
