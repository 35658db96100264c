"""`gymqa evaluate`: a model answers every question."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from eval.adapters.registry import adapter_of, load_adapter
from eval.adapters.request import AdapterOptions, Request
from eval.metrics.forms import Form, form_of, questions_in_form
from eval.run.protocol import AnswerModel, Recorded
from eval.run.question_files import QuestionFile, choose_files, out_path
from eval.run.results import Cost, file_info, load_result, result_path, sentence, total
from eval.run.run_state import RunInfo
from eval.run.runner import require_batch_size, run
from eval.run.watchdog import LONGEST
from gymqa.errors import GymQAError
from gymqa.frames.controls import NO_VIDEO, NONE, require_control
from gymqa.questions.schema import Prediction
from gymqa.runtime.devices import own_device
from gymqa.runtime.runs import environment
from gymqa.runtime.world import end_with_launcher, require_no_other, this_process

NO_OPTIONS = AdapterOptions()


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
    rotations: Literal["none", "all"] = "none",
    binaries: bool = False,
    name: str | None = None,
    encoder: str = "",
    scoring: str | None = None,
    batch_size: int = 64,
    answer_timeout: float | None = None,
    device: str = "cpu",
    *,
    questions: list[Path],
    options: AdapterOptions = NO_OPTIONS,
) -> None:
    """Ask a model every question of some files, under some controls; answers are kept as they come.

    Stopped, the same command goes on with the questions still open, also with another number of processes. A clip that
    cannot be seen is left unanswered, and counts as wrong. Beside each predictions file its result is written: what
    answered which questions, with hashes of configuration and environment.

    Args:
        model: folder of `gymqa finetune` or `gymqa train`, the .jsonl of `gymqa predict`, or what --adapter takes.
        out: folder of the predictions, <benchmark>.jsonl and <benchmark>.<control>.jsonl, with rotations
            <benchmark>.rotated.jsonl, in twos <benchmark>.binaries.jsonl; or the .jsonl file, where there is one file
            of questions and one control.
        adapter: kind of model, of `gymqa list adapters`; found out by itself for what gymqa's own commands write.
        features: folder of `gymqa extract`, of the encoder that the model was tuned with; not for a blind model.
        frames: folder of `gymqa cache`, which hf-vlm and openai are shown; features and class probabilities are made
            of it where a control needs them.
        encode_with: the encoder that the model was tuned with, as `gymqa extract` takes it, where --frames is read.
        controls: none, no-video, one-frame, frozen, shuffled, reversed, mismatched; one or more (none by default).
        control_seed: of the controls that draw.
        benchmark: ask only files of these benchmarks.
        tier: ask only files whose questions are of these tiers.
        rotations: all: ask each question under every rotation of its choices.
        binaries: ask each question in twos, the right choice against each wrong one by itself.
        name: of the model in the leaderboard; by default its file or folder.
        encoder: name of the encoder in the leaderboard.
        scoring: texts (likelihood of each choice), letters (likelihood of A, B, …, in one pass) or generate (a reply,
            read strictly), as far as the adapter has it; by default texts for gymqa, letters for hf-vlm and openai.
        batch_size: questions at a time.
        answer_timeout: seconds that a model may take for a batch; a process that waits longer ends with status 2 (1
            where the model lets no thread of Python run), and the same command goes on, asking what hung by itself;
            what hung twice is unanswered. No limit by default.
        device: cpu, cuda, cuda:1, …; several processes take one GPU each.
        questions: .jsonl files of `gymqa questions build`, or folders of them.
        options: what single adapters are built with.
    """
    require_no_other("scripts/evaluate.py")
    if answer_timeout is not None and not 0 < answer_timeout < LONGEST:
        raise GymQAError(f"{answer_timeout:g} s is no limit; give --answer_timeout seconds above 0, below {LONGEST:g}")
    require_batch_size(batch_size)
    if binaries and rotations == "all":
        raise GymQAError("rotations and binaries are two ways to ask again; ask for one at a time")
    form: Form = "binaries" if binaries else "rotated" if rotations == "all" else "plain"
    under = list(dict.fromkeys(controls or [NONE]))
    for control in under:
        require_control(control)
    _require_outside(out, questions)
    files = choose_files(questions, benchmark, tier)
    if out.suffix == ".jsonl" and len(files) * len(under) > 1:
        raise GymQAError(f"{out} can hold the answers to one file of questions under one control; name a folder")
    kind = adapter or adapter_of(model)
    under = _unseen(under) if kind == "blind" else under
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
        controls=tuple(under),
        folder=out.parent if out.suffix == ".jsonl" else out,
        clips={question.clip_id: question for file in files.values() for question in file.questions},
        options=options,
    )
    end_with_launcher()
    loaded, around = load_adapter(kind, request), environment(device=device)
    costs: list[Cost] = []
    for control in under:
        info = RunInfo(
            encoder=encoder,
            adapter=kind,
            revision=loaded.revision,
            control=control,
            scoring=loaded.scoring,
            n_frames=loaded.n_frames,
            settings={} if control == NONE else {"control_seed": control_seed},
            environment=around,
        )
        answerer = loaded.under(control)
        _require_written(answerer, list(files.values()), form)
        for called, file in files.items():
            path = out_path(out, called, control, form)
            paid = ask_file(answerer, file, path, batch_size, info, form, answer_timeout)
            costs += [] if paid is None else [paid]
    if costs:
        print(sentence(total(costs)))


def _require_outside(out: Path, questions: Sequence[Path]) -> None:
    """Refuse to write answers where the next run would read questions.

    Raises:
        GymQAError: `out` lies below a folder of questions.
    """
    for folder in questions:
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise GymQAError(f"{out} lies in {folder}, all of whose .jsonl are read as questions; name another --out")


def _unseen(controls: Sequence[str]) -> list[str]:
    """The control that the adapter blind is asked under.

    Raises:
        GymQAError: there are others, which would change nothing.
    """
    for control in controls:
        if control not in (NONE, NO_VIDEO):
            raise GymQAError(f"the adapter blind looks at no video, so that {control} changes nothing; leave it out")
    return [NO_VIDEO]


def _require_written(model: AnswerModel, files: Sequence[QuestionFile], form: Form) -> None:
    """Refuse written answers that know nothing of the form in which they are to be asked.

    Raises:
        GymQAError: they would all be unanswered, and count as wrong.
    """
    if form == "plain" or not isinstance(model, Recorded):
        return
    for file in files:
        asked = [one.id for one in questions_in_form(form, file.questions) if form_of(one.id) != "plain"]
        if not any(map(model.holds, asked)):
            what = "rotations" if form == "rotated" else "twos"
            raise GymQAError(
                f"{model.name} has no answer to the {what} of {file.path}; leave --rotations and --binaries out"
            )


def ask_file(
    model: AnswerModel,
    file: QuestionFile,
    out: Path,
    batch_size: int,
    info: RunInfo,
    form: Form = "plain",
    answer_timeout: float | None = None,
) -> Cost | None:
    """Ask this process's share of a file's questions; the first process says how many answers are right.

    Returns:
        What the answers of all processes cost, in the first one and where the result says so.
    """
    asked, process = questions_in_form(form, file.questions), this_process()
    times = max((len(question.choices) for question in file.questions), default=1) if form == "rotated" else 1
    of_file = replace(info, questions=file_info(file.path), rotations=times, binaries=form == "binaries")
    predictions = run(model, asked, out, batch_size, of_file, process, answer_timeout)
    if process[0] != 0:
        return None
    print(summary(out, predictions))
    result = load_result(result_path(out))
    if result.open:
        print(f"{out}: of {len(result.open)} questions every try failed; the same command asks them again")
    return result.paid


def summary(out: Path, predictions: Sequence[Prediction]) -> str:
    """How many answers are right."""
    right = sum(prediction.choice == prediction.answer for prediction in predictions)
    unanswered = sum(prediction.choice is None for prediction in predictions)
    return f"{out}: {right} of {len(predictions)} right, {unanswered} unanswered"


COMMAND = evaluate
