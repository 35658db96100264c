"""`gymqa evaluate`: evaluate a model on question files under control conditions; write predictions and results."""

from collections.abc import Mapping, Sequence
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
from gymqa.questions.probes import PROBES, probed
from gymqa.questions.schema import Prediction
from gymqa.runtime.devices import own_device
from gymqa.runtime.registry import require_fit
from gymqa.runtime.runs import environment
from gymqa.runtime.world import require_no_other, this_process

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
    """Evaluate a model on every question of some files, under some controls; answers are saved as they are given.

    An interrupted run resumes with the same command, also with another number of processes. A question whose clip
    cannot be shown is unanswered and counts as wrong. A result file is written beside each predictions file, with the
    model, the questions, and hashes of configuration and environment.

    Args:
        model: folder of `gymqa finetune` or `gymqa train`, the .jsonl of `gymqa predict`, or what --adapter takes.
        out: folder of the predictions, <benchmark>.jsonl and <benchmark>.<control>.jsonl, with rotations
            <benchmark>.rotated.jsonl, as binary questions <benchmark>.binaries.jsonl; or a .jsonl file, if there is one
            file of questions and one control.
        adapter: kind of model, of `gymqa list adapters`, or package.module:function of your own (docs/extending.md);
            found out by itself for what gymqa's own commands write.
        features: folder of `gymqa extract`, of the encoder that the model was tuned with; not for a blind model.
        frames: folder of `gymqa cache`, for hf-vlm and openai; for other adapters used to compute features and class
            probabilities under a control.
        encode_with: the encoder that the model was tuned with, as in `gymqa extract`, if --frames is used.
        controls: none, no-video, one-frame, frozen, shuffled, reversed, mismatched, which change the frames, and
            none-of-these, letters-alone, which change the question; one or more (by default none).
        control_seed: seed of the random controls.
        benchmark: ask only files of these benchmarks, of `gymqa list benchmarks` or package.module:function.
        tier: ask only files whose questions are of these tiers.
        rotations: all: ask each question under every rotation of its choices.
        binaries: ask each question as binary questions, the right choice against each wrong one.
        name: name of the model in the leaderboard; by default its file or folder.
        encoder: name of the encoder in the leaderboard.
        scoring: texts (likelihood of each choice), letters (likelihood of A, B, …, in one pass) or generate (a reply
            that is parsed strictly), if the adapter supports it; by default texts for gymqa, letters for hf-vlm and
            openai.
        batch_size: questions per batch.
        answer_timeout: time limit of a batch in seconds; a process that exceeds it exits with status 2 (1 if the model
            blocks all Python threads), and the same command resumes, asking the questions of that batch one by one; a
            question that hangs again is unanswered. By default no limit.
        device: cpu, cuda, cuda:1, …; several processes take one GPU each.
        questions: .jsonl files of `gymqa questions build`, or folders of them.
        options: options of single adapters.
    """
    require_no_other("scripts/evaluate.py")
    _require_limits(answer_timeout, batch_size)
    form = _form(rotations == "all", binaries)
    under = _known_controls(controls or [NONE])
    _require_outside(out, questions)
    files = choose_files(questions, benchmark, tier)
    if out.suffix == ".jsonl" and len(files) * len(under) > 1:
        raise GymQAError(f"{out} can hold the answers to one file of questions under one control; name a folder")
    kind = adapter or adapter_of(model)
    name = name or Path(model).name.removesuffix(".jsonl") or kind
    of_files = (("--questions", one.path.name) for one in files.values())
    _require_utf8(("--name", name), ("--encoder", encoder), *of_files)
    under = _blind_control(under) if kind == "blind" else under
    request = Request(
        model=model,
        name=name,
        scoring=scoring,
        batch_size=batch_size,
        device=own_device(device),
        features=features,
        frames=frames,
        encode_with=encode_with,
        control_seed=control_seed,
        controls=tuple(dict.fromkeys(map(_frame_control, under))),
        folder=out.parent if out.suffix == ".jsonl" else out,
        clips={question.clip_id: question for file in files.values() for question in file.questions},
        options=options,
    )
    info = RunInfo(encoder=encoder, adapter=kind, environment=environment(device=device))
    costs = _ask_files(request, under, files, out, info, form, answer_timeout)
    if costs:
        print(sentence(total(costs)))


def _ask_files(
    request: Request,
    controls: Sequence[str],
    files: Mapping[str, QuestionFile],
    out: Path,
    info: RunInfo,
    form: Form,
    timeout: float | None,
) -> list[Cost]:
    """Ask every file's questions under every control; return the costs of paid answers."""
    loaded = load_adapter(info.adapter, request)
    costs: list[Cost] = []
    for control in controls:
        changes_frames = _frame_control(control) != NONE
        of_control = replace(
            info,
            revision=loaded.revision,
            control=control,
            scoring=loaded.scoring,
            n_frames=loaded.n_frames,
            parameters=loaded.parameters,
            prompt=loaded.prompt,
            settings={"control_seed": request.control_seed} if changes_frames else {},
        )
        answerer = loaded.under(_frame_control(control))
        require_fit(answerer, AnswerModel, info.adapter, "adapter")
        _require_written(answerer, list(files.values()), form)
        for benchmark, file in files.items():
            path = out_path(out, benchmark, control, form)
            paid = ask_file(answerer, file, path, request.batch_size, of_control, form, timeout)
            costs += [] if paid is None else [paid]
    return costs


def _require_limits(answer_timeout: float | None, batch_size: int) -> None:
    """Check the time limit and the batch size.

    Raises:
        GymQAError: one of them is out of range.
    """
    if answer_timeout is not None and not 0 < answer_timeout < LONGEST:
        raise GymQAError(f"{answer_timeout:g} s is no limit; give --answer_timeout seconds above 0, below {LONGEST:g}")
    require_batch_size(batch_size)


def _require_utf8(*named: tuple[str, str]) -> None:
    """Refuse names, each given with its option, that results could not hold, before anything is asked.

    Raises:
        GymQAError: one is not UTF-8.
    """
    for option, text in named:
        if any("\ud800" <= one <= "\udfff" for one in text):
            raise GymQAError(f"{option}: the name {text!r} is not UTF-8; give another")


def _form(rotations: bool, binaries: bool) -> Form:
    """The form in which questions are asked: plain, rotated or binary.

    Raises:
        GymQAError: rotations and binary questions are both requested.
    """
    if binaries and rotations:
        raise GymQAError("--rotations and --binaries cannot be combined; choose one of them")
    return "binaries" if binaries else "rotated" if rotations else "plain"


def _known_controls(controls: Sequence[str]) -> list[str]:
    """The controls without repetitions.

    Raises:
        GymQAError: one is unknown.
    """
    under = list(dict.fromkeys(controls))
    for control in under:
        if control not in PROBES:
            require_control(control, PROBES)
    return under


def _frame_control(control: str) -> str:
    """The control of the frames: none where the question is changed."""
    return NONE if control in PROBES else control


def _require_outside(out: Path, questions: Sequence[Path]) -> None:
    """Refuse to write answers into a folder that is searched for questions.

    Raises:
        GymQAError: `out` is inside a folder of questions.
    """
    for folder in questions:
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise GymQAError(f"{out} lies in {folder}, all of whose .jsonl are read as questions; name another --out")


def _blind_control(controls: Sequence[str]) -> list[str]:
    """The control of the adapter blind.

    Raises:
        GymQAError: another control is requested, which would have no effect.
    """
    for control in controls:
        if control in PROBES:
            raise GymQAError(f"{control} is asked with the video, which the adapter blind leaves out; leave it out")
        if control not in (NONE, NO_VIDEO):
            raise GymQAError(f"the adapter blind uses no video, so {control} has no effect; leave it out")
    return [NO_VIDEO]


def _require_written(model: AnswerModel, files: Sequence[QuestionFile], form: Form) -> None:
    """Check that a file of written answers has answers in the requested form.

    Raises:
        GymQAError: it has none, so that all questions would be unanswered.
    """
    if form == "plain" or not isinstance(model, Recorded):
        return
    for file in files:
        asked = [one.id for one in questions_in_form(form, file.questions) if form_of(one.id) != "plain"]
        if not any(map(model.holds, asked)):
            what = "rotations" if form == "rotated" else "binary questions"
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
    """Ask this process's shard of a file's questions; the first process prints how many answers are right.

    Returns:
        The cost of the answers of all processes, in the first process and if the result records it.
    """
    asked, process = questions_in_form(form, file.questions), this_process()
    asked = probed(info.control, asked) if info.control in PROBES else asked
    times = max((len(question.choices) for question in file.questions), default=1) if form == "rotated" else 1
    of_file = replace(info, questions=file_info(file.path), rotations=times, binaries=form == "binaries")
    predictions = run(model, asked, out, batch_size, of_file, process, answer_timeout)
    if process[0] != 0:
        return None
    print(summary(out, predictions))
    result = load_result(result_path(out))
    if result.open:
        print(f"{out}: all attempts at {len(result.open)} questions failed; run the same command again to retry them")
    return result.paid


def summary(out: Path, predictions: Sequence[Prediction]) -> str:
    """Sentence with the number of right and unanswered questions."""
    right = sum(prediction.choice == prediction.answer for prediction in predictions)
    unanswered = sum(prediction.choice is None for prediction in predictions)
    return f"{out}: {right} of {len(predictions)} right, {unanswered} unanswered"


COMMAND = evaluate
