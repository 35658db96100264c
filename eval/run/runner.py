"""Evaluation runner: asks a model every question once, resumable, on one or several processes.

Answers are appended to one file per process (`eval.run.parts`). At the end the first process writes them, in the
order of the questions, to the predictions file, and beside it the result (`eval.run.results`): model, questions,
configuration and environment. Killed at any moment, the same call resumes with any number of processes; called again
after it finished, it asks the questions that failed for a temporary reason (`Answer.retry`). When model, settings or
questions have changed, the run starts over; the old predictions remain until the new ones are complete.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from eval.run.parts import Parts, PartsRemovedError, append, batches, remove_parts, shard, to_bytes
from eval.run.protocol import AnswerModel, Metered
from eval.run.results import Result, cost_of, file_info, result_path, save_result
from eval.run.run_state import (
    RunInfo,
    expected_result,
    final_answers,
    finished_result,
    parts_name,
    refuse_foreign,
    refuse_other_model,
)
from eval.run.watchdog import SUFFIX, Watchdog, named
from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.io.files import atomic_path
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import Answer, Prediction, Question, probability_flaw

ALONE = (0, 1)
_NO_INFO = RunInfo()
DECIMALS, DIGITS = 4, 3
"""Precision of saved probabilities, whichever keeps more: beyond it float32 depends on the batch. Small ones keep
significant digits, so that choices remain distinguishable."""


def run(
    model: AnswerModel,
    questions: Sequence[Question],
    out: Path,
    batch_size: int = 32,
    info: RunInfo = _NO_INFO,
    process: tuple[int, int] = ALONE,
    answer_timeout: float | None = None,
) -> list[Prediction]:
    """Answer `questions` into the JSONL file `out` and return one Prediction per question, in their order.

    Args:
        model: its `fingerprint()`, where it has one, is saved to detect changes.
        questions: with unique ids.
        out: predictions file; written at the end, with its result beside it.
        batch_size: questions per call of `model.answer`; not part of the configuration, since answers must not depend
            on it.
        info: description of the run, for the result.
        process: index of this process and number of processes; all are called with the same arguments.
        answer_timeout: seconds after which a call of `model.answer` ends this process, with status 2 or 1; see
            `eval.run.watchdog`.

    Returns:
        The predictions in the first process; an empty list in the others.

    Raises:
        GymQAError: a duplicate question id, an answer to no question, a damaged or locked file, an output file not
            written by a run, changed since, or of another model, a full disk.
    """
    if len({question.id for question in questions}) != len(questions):
        raise GymQAError("the questions name an id twice; give each question its own id")
    require_batch_size(batch_size)
    expected = expected_result(model, questions, out, info)
    before = finished_result(out, expected)
    if before is not None and not before.open:
        if process[0] > 0:
            return []
        remove_parts(out, expected.config_hash)  # of a run that was killed while it did this
        return load_predictions(out)
    kept = {} if before is None else final_answers(out, before)
    own = shard(batches(questions, batch_size), process)
    todo = [[question for question in batch if question.id not in kept] for batch in own]
    if before is not None and process[0] > 0 and not any(todo):
        return []
    job = _Job(model, questions, out, expected, before, kept, process)
    try:
        return job.run(todo, answer_timeout)
    except PartsRemovedError:
        if finished_result(out, expected) == before:
            raise
        return []  # another launch has finished meanwhile, with this one's answers


def require_batch_size(batch_size: int) -> None:
    """Raise an error for an invalid batch size.

    Raises:
        GymQAError: it is below 1.
    """
    if batch_size < 1:
        raise GymQAError(f"the batch size must be 1 or more, not {batch_size}; give another")


@dataclass(frozen=True)
class _Job:
    """One run, as one process sees it; `kept` are the final answers of a finished run `before`."""

    model: AnswerModel
    questions: Sequence[Question]
    out: Path
    expected: Result
    before: Result | None
    kept: Mapping[str, Prediction]
    process: tuple[int, int]

    def run(self, todo: Sequence[Sequence[Question]], answer_timeout: float | None) -> list[Prediction]:
        """Ask this process's questions; the first process waits for the others and writes the predictions."""
        number, processes = self.process
        first = number == 0
        ids = [question.id for question in self.questions if question.id not in self.kept]
        parts = Parts(self.out, parts_name(self.expected.config_hash, self.before), ids)
        if self.before is None:
            refuse_other_model(self.out, self.expected.model)
            refuse_foreign(self.out, parts, say=first)
        with parts.writer(number) as file:
            done = parts.read()
            if finished_result(self.out, self.expected) != self.before:  # the first process has finished meanwhile
                remove_parts(self.out, self.expected.config_hash)
                return []
            if isinstance(self.model, Metered):
                self.model.pay_for(str(self.out.resolve()))
            watchdog = Watchdog(answer_timeout, parts.folder / f"{number}{SUFFIX}", self.model.name)
            parts.fail(number, _ask(self.model, todo, file, done, watchdog, show=first))
            return self._merge(parts, processes) if first else []

    def _merge(self, parts: Parts, processes: int) -> list[Prediction]:
        """Write the predictions of all processes and their result, and remove the partial answers.

        Raises:
            GymQAError: no question got an answer, and all would be asked again: a server that refuses every one.
        """
        answered, failed = parts.wait(processes)
        if len(failed) == len(self.questions):
            why = next(iter(answered.values())).error
            raise GymQAError(
                f"{self.model.name} answered none of {len(failed)} questions ({why}); correct that, and the same "
                "command asks them again"
            )
        predictions = [self.kept.get(question.id) or answered[question.id] for question in self.questions]
        outcome = {"open": tuple(sorted(failed)), "paid": cost_of(self.model, predictions)}
        _finish(self.out, predictions, self.expected.model_copy(update=outcome), parts)
        remove_parts(self.out, self.expected.config_hash)
        return predictions


def _ask(
    model: AnswerModel,
    todo: Sequence[Sequence[Question]],
    file: IO[bytes],
    done: Mapping[str, Prediction],
    watchdog: Watchdog,
    show: bool,
) -> list[Prediction]:
    """Ask the remaining questions batch by batch; each batch is on disk before the next is asked.

    Returns:
        Answers that failed for a temporary reason; they are not on disk, so that a resumed run asks them again.
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
    """Predictions from a batch and its answers.

    Raises:
        GymQAError: an answer is missing, extra or duplicate, or its probabilities are invalid.
    """
    by_id = {answer.question_id: answer for answer in answers}
    if len(answers) != len(batch) or by_id.keys() != {question.id for question in batch}:
        raise GymQAError(f"{name} gave {len(answers)} answers to {len(batch)} questions, or answered others; mend it")
    for question in batch:
        given = by_id[question.id].probabilities
        if given is not None and (len(given) != len(question.choices) or probability_flaw(given)):
            raise GymQAError(f"{name} gave question {question.id} the probabilities {given}; mend it")
    return [Prediction.of(question, _rounded(by_id[question.id])) for question in batch]


def _rounded(answer: Answer) -> Answer:
    """The answer with probabilities rounded to DECIMALS decimals or DIGITS significant digits."""
    if answer.probabilities is None:
        return answer
    return replace(answer, probabilities=tuple(round(value, _decimals(value)) for value in answer.probabilities))


def _decimals(value: float) -> int:
    return DECIMALS if value <= 0 else max(DECIMALS, DIGITS - 1 - math.floor(math.log10(value)))


def _finish(out: Path, predictions: Sequence[Prediction], expected: Result, parts: Parts) -> None:
    """Write predictions, then their result; partial answers remain until both are complete."""
    content = to_bytes(predictions)
    parts.announce(hashlib.sha256(content).hexdigest())
    with atomic_path(out) as temporary:
        temporary.write_bytes(content)
    save_result(result_path(out), expected.model_copy(update={"predictions": file_info(out)}))
