"""Ask a model every question once, and keep each answer the moment it is there.

While it runs, answers are appended to one file a process (`eval.run.parts`). At the end the first process writes them,
in the order of the questions, to the predictions file, and beside it the result (`eval.run.results`): what answered
which questions, under which configuration and environment. Killed at any moment, the same call goes on where it was,
with any number of processes; called again when it was through, it asks what got no answer for a reason that may pass
(`Answer.retry`). When model, settings or questions have changed, the run starts over; the old predictions stay
until the new ones are whole.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from eval.run.parts import Parts, append, batches, shard, to_bytes
from eval.run.protocol import AnswerModel, Fingerprinted, Metered
from eval.run.results import (
    FileInfo,
    ModelInfo,
    Result,
    cost_of,
    file_info,
    hash_values,
    load_result,
    result_path,
    save_result,
)
from eval.run.watchdog import SUFFIX, Watchdog, named
from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.io.files import atomic_path
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import Answer, Prediction, Question

ALONE = (0, 1)
DECIMALS, DIGITS = 4, 3
"""Of a kept probability, whichever are more: float32 differs beyond them with what else is in a batch. Small ones keep
digits, so that the right choice can still be told from one that is less likely."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Under what the questions are asked, as the result tells it; see `eval.run.results.Result` and `ModelInfo`.

    `settings` are further JSON values that the answers depend on; `questions` the file that the questions are of;
    `environment` is told and hashed, but a run goes on in another one.
    """

    encoder: str = ""
    adapter: str = ""
    revision: str | None = None
    control: str = "none"
    scoring: str = ""
    rotations: int = 1
    binaries: bool = False
    n_frames: int | None = None
    questions: FileInfo | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)


def run(
    model: AnswerModel,
    questions: Sequence[Question],
    out: Path,
    batch_size: int = 32,
    info: RunInfo = RunInfo(),
    process: tuple[int, int] = ALONE,
    answer_timeout: float | None = None,
) -> list[Prediction]:
    """Answer `questions` into the JSONL file `out` and return one Prediction a question, in their order.

    Args:
        model: its `fingerprint()`, where it has one, is kept to notice that it changed.
        questions: each id once.
        out: predictions file; written at the end, with its result beside it.
        batch_size: questions a call of `model.answer`; no part of the configuration, since answers must not depend
            on it.
        info: what the result says beside the answers.
        process: this process's number and how many shard the questions; all are called with the same arguments.
        answer_timeout: seconds that a call of `model.answer` may take before this process ends itself, with status 2
            or 1; see `eval.run.watchdog`.

    Returns:
        The predictions in the first process; in the others nothing.

    Raises:
        GymQAError: a question id twice, an answer that fits no question, a damaged or locked file, a file that no
            run made, that was changed since or that is another model's, a full disk.
    """
    if len({question.id for question in questions}) != len(questions):
        raise GymQAError("the questions name an id twice; give each question its own id")
    require_batch_size(batch_size)
    wanted, first = _wanted(model, questions, out, info), process[0] == 0
    before = _finished(out, wanted)
    if before is not None and not before.open:
        return load_predictions(out) if first else []
    kept = {} if before is None else _answered(out, before)
    todo = [[one for one in batch if one.id not in kept] for batch in shard(batches(questions, batch_size), process)]
    if before is not None and not first and not any(todo):
        return []
    parts = Parts(out, _round(wanted, before), [question.id for question in questions if question.id not in kept])
    if before is None:
        _refuse_other_model(out, wanted.model)
        _refuse_foreign(out, parts, say=first)
    with parts.writer(process[0]) as file:
        done = parts.read()
        if _finished(out, wanted) != before:  # the first process was through, and removed the parts before
            parts.remove()
            return []
        if isinstance(model, Metered):
            model.pay_for(str(out.resolve()))
        watchdog = Watchdog(answer_timeout, parts.folder / f"{process[0]}{SUFFIX}", model.name)
        parts.fail(process[0], _ask(model, todo, file, done, watchdog, show=first))
        if not first:
            return []
        answered, failed = parts.wait()
        predictions = [kept.get(question.id) or answered[question.id] for question in questions]
        told = {"open": tuple(sorted(failed)), "paid": cost_of(model, predictions)}
        _finish(out, predictions, wanted.model_copy(update=told))
        parts.remove()
    return predictions


def require_batch_size(batch_size: int) -> None:
    """Refuse batches of nothing.

    Raises:
        GymQAError: fewer than one question at a time.
    """
    if batch_size < 1:
        raise GymQAError(f"a batch size of {batch_size} asks nothing; give 1 or more")


def _wanted(model: AnswerModel, questions: Sequence[Question], out: Path, info: RunInfo) -> Result:
    """The result that the run will have, but for its predictions' hash."""
    asked = sha256(to_bytes(questions)).hexdigest()
    own = model.fingerprint() if isinstance(model, Fingerprinted) else {}
    fingerprint = json.loads(json.dumps(dict(own), default=str))  # tuples become lists, as in the file
    made_of = ModelInfo(
        name=model.name,
        encoder=info.encoder,
        adapter=info.adapter,
        revision=info.revision,
        fingerprint=fingerprint,
    )
    file = info.questions or FileInfo(name="questions.jsonl", sha256=asked)
    config = {
        "model": made_of.model_dump(mode="json"),
        "control": info.control,
        "scoring": info.scoring,
        "rotations": info.rotations,
        **({"binaries": True} if info.binaries else {}),  # absent elsewhere: earlier results keep their hash
        "n_frames": info.n_frames,
        "settings": json.loads(json.dumps(dict(info.settings), default=str)),
        "questions": {"n": len(questions), "sha256": asked},
    }
    benchmarks = {question.benchmark for question in questions}
    return Result(
        model=made_of,
        benchmark=benchmarks.pop() if len(benchmarks) == 1 else Path(file.name).stem,
        control=info.control,
        scoring=info.scoring,
        rotations=info.rotations,
        binaries=info.binaries,
        n_frames=info.n_frames,
        questions=file,
        predictions=FileInfo(name=out.name, sha256="0" * 64),
        config=config,
        environment=dict(info.environment),
        config_hash=hash_values(config),
        environment_hash=hash_values(dict(info.environment)),
    )


def _finished(out: Path, wanted: Result) -> Result | None:
    """The result of `out`, where it holds the answers of this very configuration.

    Raises:
        GymQAError: it does not hold what was written there.
    """
    if not out.is_file() or not result_path(out).is_file():
        return None
    try:
        found = load_result(result_path(out))
    except GymQAError:
        return None  # a result that cannot be read vouches for nothing
    if found.config_hash != wanted.config_hash:
        return None
    if found.predictions != file_info(out):
        raise GymQAError(
            f"{out} is not what the run wrote that {result_path(out).name} tells of; remove both and run again"
        )
    return found


def _answered(out: Path, before: Result) -> dict[str, Prediction]:
    """What of a finished file need not be asked again, by question id."""
    return {one.question_id: one for one in load_predictions(out) if one.question_id not in before.open}


def _round(wanted: Result, before: Result | None) -> str:
    """What keeps the parts of a run, and of each that asks again what failed in a finished one, apart."""
    if before is None:
        return wanted.config_hash
    return hash_values({"config": wanted.config_hash, "after": before.predictions.sha256})


def _refuse_other_model(out: Path, asked: ModelInfo) -> None:
    """Let a changed model replace its own answers only.

    Raises:
        GymQAError: `out` holds those of a model of another name, encoder or adapter.
    """
    try:
        found = load_result(result_path(out)).model
    except GymQAError:
        return  # a result that is not there, or cannot be read, vouches for nothing
    if (found.name, found.encoder, found.adapter) != (asked.name, asked.encoder, asked.adapter):
        held, new = (" ".join(filter(None, (one.name, one.encoder, one.adapter))) for one in (found, asked))
        raise GymQAError(f"{out} holds the answers of {held}, which {new} must not replace; choose another --out")


def _refuse_foreign(out: Path, parts: Parts, say: bool) -> None:
    """Say that old answers are asked for again.

    Raises:
        GymQAError: `out` is something that no run wrote.
    """
    if out.exists() and not result_path(out).exists() and not parts.root.exists():
        raise GymQAError(
            f"{out} is there without {result_path(out).name} beside it, so no run made it; move it away or choose "
            "another --out"
        )
    if out.exists() and say and not parts.folder.exists():
        console.print(f"{out.name}: model, settings or questions have changed; asking again from the start")


def _ask(
    model: AnswerModel,
    todo: Sequence[Sequence[Question]],
    file: IO[bytes],
    done: Mapping[str, Prediction],
    watchdog: Watchdog,
    show: bool,
) -> list[Prediction]:
    """Ask batch by batch what is not done; each batch is on disk before the next is asked.

    Returns:
        What got no answer for a reason that may pass; it is not on disk, so that a run that stops asks it again.
    """
    failed: list[Prediction] = []
    total = sum(map(len, todo))
    left = [[question for question in batch if question.id not in done] for batch in todo]
    whole, alone, lost = watchdog.order(left)
    if alone:
        hung = named([question.id for question in alone])
        console.print(f"{model.name} gave no answer to {hung} before; they come last, one by one", soft_wrap=True)
    batches = [*whole, *([question] for question in alone)]
    append(file, [Prediction.of(question, Answer(question.id, None, None, watchdog.reason)) for question in lost])
    bar = progress_bar(f"asking {model.name}", total, done=total - sum(map(len, batches)))
    with bar if show else nullcontext() as shown:
        for batch in batches:
            with watchdog.over(batch):
                answers = model.answer(batch)
            again = {answer.question_id for answer in answers if answer.retry}
            given = _predictions(model.name, batch, answers)
            append(file, [one for one in given if one.question_id not in again])
            failed += [one for one in given if one.question_id in again]
            if shown is not None:
                shown.advance(len(batch))
    return failed


def _predictions(name: str, batch: Sequence[Question], answers: Sequence[Answer]) -> list[Prediction]:
    """Join a batch and its answers.

    Raises:
        GymQAError: an answer is missing, extra or twice, or its probabilities are none.
    """
    by_id = {answer.question_id: answer for answer in answers}
    if len(answers) != len(batch) or by_id.keys() != {question.id for question in batch}:
        raise GymQAError(f"{name} gave {len(answers)} answers to {len(batch)} questions, or answered others; mend it")
    for question in batch:
        shares = by_id[question.id].probabilities
        if shares is not None and (len(shares) != len(question.choices) or not all(map(math.isfinite, shares))):
            raise GymQAError(f"{name} gave question {question.id} the probabilities {shares}; mend it")
    return [Prediction.of(question, _rounded(by_id[question.id])) for question in batch]


def _rounded(answer: Answer) -> Answer:
    """The answer with probabilities of DECIMALS decimals or DIGITS significant digits."""
    if answer.probabilities is None:
        return answer
    return replace(answer, probabilities=tuple(round(value, _decimals(value)) for value in answer.probabilities))


def _decimals(value: float) -> int:
    return DECIMALS if value <= 0 else max(DECIMALS, DIGITS - 1 - math.floor(math.log10(value)))


def _finish(out: Path, predictions: Sequence[Prediction], wanted: Result) -> None:
    """Write predictions, then their result: a stop in between leaves the parts, so that nothing is asked again."""
    with atomic_path(out) as temporary:
        temporary.write_bytes(to_bytes(predictions))
    save_result(result_path(out), wanted.model_copy(update={"predictions": file_info(out)}))
