"""Ask a model every question once, and keep each answer the moment it is there.

Predictions are appended as JSON lines, in the order of the questions; `<out>.settings.json` beside them says which
model and questions they belong to. Killed at any moment, the same call goes on where it was: a last line that was not
written to its end is dropped, and only questions without a line are asked. When model, settings or questions have
changed, the old answers are worthless and the run starts over. Two processes cannot write to one file.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from eval.protocol import AnswerModel, Fingerprinted
from gymqa.atomic import read_json, write_json
from gymqa.errors import GymQAError
from gymqa.locks import take_lock
from gymqa.progress import console, progress_bar
from gymqa.questions import Answer, Prediction, Question, from_line, to_line


def run(
    model: AnswerModel,
    questions: Sequence[Question],
    out: Path,
    batch_size: int = 32,
    settings: Mapping[str, Any] | None = None,
) -> list[Prediction]:
    """Answer `questions` into the JSONL file `out` and return one Prediction a question, in their order.

    Args:
        model: its `fingerprint()`, where it has one, is kept to notice that it changed.
        questions: each id once.
        out: predictions file; made, continued, or started over.
        batch_size: questions a call of `model.answer`; no part of the fingerprint, since answers must not depend on it.
        settings: further JSON values that the answers depend on (a checkpoint's hash, a scoring rule).

    Raises:
        GymQAError: a question id twice, an answer that fits no question, a damaged or locked file, a file that no
            run made, a full disk.
    """
    if len({question.id for question in questions}) != len(questions):
        raise GymQAError("the questions name an id twice; give each question its own id")
    if batch_size < 1:
        raise GymQAError(f"a batch size of {batch_size} asks nothing; give 1 or more")
    fingerprint = _fingerprint(model, questions, settings)
    with _opened(out) as file:
        _start_over_if_changed(file, out, fingerprint)
        done = _read_done(file, out, {question.id for question in questions})
        todo = [question for question in questions if question.id not in done]
        if todo:
            _ask(model, todo, file, done, batch_size, len(questions))
    return [done[question.id] for question in questions]


def settings_path(out: Path) -> Path:
    """Where the fingerprint of the predictions file `out` lies."""
    return out.with_name(out.name + ".settings.json")


def _fingerprint(
    model: AnswerModel, questions: Sequence[Question], settings: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Everything the answers depend on, as JSON gives it back."""
    digest = hashlib.blake2b(digest_size=16)
    for question in questions:
        digest.update(to_line(question).encode("utf-8", "backslashreplace") + b"\n")
    own = model.fingerprint() if isinstance(model, Fingerprinted) else {}
    whole = {
        "model": model.name,
        "fingerprint": dict(own),
        "settings": dict(settings or {}),
        "questions": {"n": len(questions), "hash": digest.hexdigest()},
    }
    normal: dict[str, Any] = json.loads(json.dumps(whole, default=str))  # tuples become lists, as in the file
    return normal


@contextmanager
def _opened(out: Path) -> Iterator[IO[bytes]]:
    """Open `out` for reading and appending, alone."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        file = out.open("a+b")
    except OSError as error:
        raise GymQAError(f"cannot write {out}: {error.strerror or error}; choose a folder you may write to") from error
    with file:
        take_lock(file, str(out))
        yield file


def _start_over_if_changed(file: IO[bytes], out: Path, fingerprint: dict[str, Any]) -> None:
    """Empty `out` unless its answers were given under `fingerprint`; then write that down.

    The answers go first and the fingerprint comes second, so that a kill in between never leaves old answers under a
    new fingerprint.

    Raises:
        GymQAError: `out` holds something that no run wrote.
    """
    sidecar = settings_path(out)
    filled = file.seek(0, 2) > 0
    if filled and not sidecar.exists():
        raise GymQAError(
            f"{out} is there without {sidecar.name} beside it, so no run made it; move it away or choose another --out"
        )
    try:
        known = read_json(sidecar) if sidecar.exists() else None
    except GymQAError:
        known = None  # a sidecar that cannot be read vouches for nothing
    if known == fingerprint:
        return
    if filled:
        console.print(f"{out.name}: model, settings or questions have changed; asking again from the start")
        file.truncate(0)
    write_json(sidecar, fingerprint)


def _read_done(file: IO[bytes], out: Path, ids: set[str]) -> dict[str, Prediction]:
    """Read the answers of earlier runs, and cut off a last line without its end."""
    file.seek(0)
    whole = file.read()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        file.truncate(end)
    done: dict[str, Prediction] = {}
    for number, line in enumerate(whole[:end].split(b"\n")[:-1], start=1):
        try:
            prediction = from_line(Prediction, line.decode("utf-8"))
        except (GymQAError, UnicodeDecodeError) as error:
            raise GymQAError(f"{out}:{number} is damaged ({error}); remove the file and run again") from error
        if prediction.question_id in done or prediction.question_id not in ids:
            raise GymQAError(
                f"{out}:{number} answers question {prediction.question_id}, which was answered before or never asked; "
                "remove the file and run again"
            )
        done[prediction.question_id] = prediction
    return done


def _ask(
    model: AnswerModel,
    todo: Sequence[Question],
    file: IO[bytes],
    done: dict[str, Prediction],
    batch_size: int,
    total: int,
) -> None:
    """Ask batch by batch; each batch is on disk before the next is asked."""
    with progress_bar(f"asking {model.name}", total, done=len(done)) as bar:
        for start in range(0, len(todo), batch_size):
            batch = todo[start : start + batch_size]
            predictions = _predictions(model.name, batch, model.answer(batch))
            lines = "".join(to_line(prediction) + "\n" for prediction in predictions)
            try:
                file.write(lines.encode("utf-8", "backslashreplace"))  # \udc80 of an odd file name is a JSON escape
                file.flush()
            except OSError as error:
                raise GymQAError(
                    f"cannot write {file.name}: {error.strerror or error}; free space and retry"
                ) from error
            done.update((prediction.question_id, prediction) for prediction in predictions)
            bar.advance(len(batch))


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
    return [Prediction.of(question, by_id[question.id]) for question in batch]
