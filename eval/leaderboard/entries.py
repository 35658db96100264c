"""Leaderboard entries read from result files: predictions verified against their hash and their question file."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from eval.leaderboard.schema import ModelRun
from eval.metrics.forms import Form, form_of, questions_in_form
from eval.run.question_files import QuestionFile, read_files
from eval.run.results import SUFFIX, Result, file_info, load_result, result_path
from gymqa.errors import GymQAError
from gymqa.io.files import visible_files
from gymqa.questions.files import load_predictions
from gymqa.questions.schema import ELEMENT_BENCHMARKS, Prediction

Key = tuple[str, str, str, int | None]
"""Identity of a leaderboard line: model, encoder, control, number of frames."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A result with its predictions, verified against its questions."""

    path: Path
    result: Result
    predictions: tuple[Prediction, ...]

    @property
    def key(self) -> Key:
        """The leaderboard line it belongs to."""
        return self.result.model.name, self.result.model.encoder, self.result.control, self.result.n_frames

    @property
    def written(self) -> str:
        """The day, UTC, on which its file was written; a copy or a download may have one of its own."""
        return datetime.fromtimestamp(self.path.stat().st_mtime, UTC).date().isoformat()

    @property
    def form(self) -> Form:
        """The form of its questions: plain, rotated choices, or binary."""
        if self.result.binaries:
            return "binaries"
        return "rotated" if self.result.rotations > 1 else "plain"


def read_question_files(paths: Iterable[Path]) -> list[QuestionFile]:
    """Read the question files among `paths` and below them, the published benchmarks first.

    Raises:
        GymQAError: as `read_files`, or two files belong to one benchmark.
    """
    found: dict[str, QuestionFile] = {}
    for file in read_files(paths):
        first = found.setdefault(file.benchmark, file)
        if first is not file:
            raise GymQAError(
                f"{file.path} asks {file.benchmark} a second time, beside {first.path}; give one file a benchmark"
            )
    known = list(ELEMENT_BENCHMARKS)
    return sorted(found.values(), key=lambda one: known.index(one.benchmark) if one.benchmark in known else len(known))


def read_entries(paths: Iterable[Path], questions: Sequence[QuestionFile]) -> list[Entry]:
    """Read every result of `paths`.

    Args:
        paths: result files, predictions (their result is beside them), or folders, which are searched.
        questions: the question files that may have been answered.

    Raises:
        GymQAError: no result, changed predictions or ones of other questions, or two results of one model,
            encoder, benchmark, control and number of frames.
    """
    found: dict[tuple[Key, str, Form], Entry] = {}
    for path in _result_files(paths):
        entry = _read_entry(path, questions)
        key = (entry.key, entry.result.benchmark, entry.form)
        if key in found:
            model = entry.result.model
            what = f"{model.name} {model.encoder}".strip() + f" on {entry.result.benchmark}"
            raise GymQAError(
                f"{path} and {found[key].path} are both {what} under control {entry.result.control}; "
                "leave one of them out, or evaluate it under another --name"
            )
        found[key] = entry
    return list(found.values())


def as_runs(entries: Sequence[Entry]) -> list[ModelRun]:
    """Group entries by model, encoder, control and number of frames, in order of appearance.

    Of a result with rotations, the answers to the unrotated questions count in the table.
    """
    runs: dict[Key, ModelRun] = {}
    for entry in sorted(entries, key=lambda entry: entry.form == "plain"):  # plain answers come last
        model, encoder, control, n_frames = entry.key
        run = runs.setdefault(
            entry.key, ModelRun(model, encoder, {}, control, n_frames, {}, entry.result.model.adapter)
        )
        name, found = entry.result.benchmark, entry.predictions
        if entry.form == "binaries":
            runs[entry.key] = replace(run, binaries={**run.binaries, name: found})
            continue
        if entry.form == "rotated":
            run = replace(run, rotated={**run.rotated, name: found})
            found = tuple(one for one in found if form_of(one.question_id) == "plain")
        runs[entry.key] = replace(
            run,
            predictions={**run.predictions, name: found},
            results={**run.results, name: entry.result},
            written={**run.written, name: entry.written},
        )
    order = {entry.key: None for entry in entries}
    return [runs[key] for key in order]


def incomplete(entries: Sequence[Entry], questions: Sequence[QuestionFile]) -> list[str]:
    """A sentence on each result whose questions were not all asked with success: they count as wrong until they are."""
    asked = {one.sha256: one.questions for one in questions}
    found = []
    for entry in entries:
        wanted = len(questions_in_form(entry.form, asked[entry.result.questions.sha256]))
        absent, failed = wanted - len(entry.predictions), len(entry.result.open)
        if absent or failed:
            found.append(
                f"{entry.path.name} of {entry.result.model.name} is not complete: of {wanted} questions {failed} are "
                f"open, because all attempts failed, and {absent} were not asked; they count as wrong until the same "
                "`gymqa evaluate` has run again"
            )
    return found


def _result_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Every result file below the paths, once each."""
    seen: set[Path] = set()
    for path in paths:
        files = visible_files(path, "**/*" + SUFFIX) if path.is_dir() else [path]
        if not files:
            raise GymQAError(f"{path} holds no *{SUFFIX}; name a folder that `gymqa evaluate` wrote to")
        for file in files:
            file = result_path(file) if file.suffix == ".jsonl" else file
            if not file.is_file():
                raise GymQAError(f"{file} does not exist; `gymqa evaluate` writes it beside the predictions")
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file


def _read_entry(path: Path, questions: Sequence[QuestionFile]) -> Entry:
    result = load_result(path)
    predictions = path.with_name(result.predictions.name)
    if file_info(predictions).sha256 != result.predictions.sha256:
        raise GymQAError(f"{predictions} was changed after {path} was written; run that evaluation again")
    asked = next((one for one in questions if one.sha256 == result.questions.sha256), None)
    if asked is None:
        raise GymQAError(
            f"{path} answers {result.questions.name} as it was when it was asked, which is none of the question files "
            "here; give that file to --questions, or run the evaluation again"
        )
    if asked.benchmark != result.benchmark:
        raise GymQAError(
            f"{path} says benchmark {result.benchmark}, but {asked.path} asks {asked.benchmark}; evaluate it again"
        )
    return _checked(Entry(path, result, tuple(load_predictions(predictions))), asked)


def _checked(entry: Entry, asked: QuestionFile) -> Entry:
    """Return the entry if its predictions fit the questions.

    Raises:
        GymQAError: an unknown question or clip, a duplicate, a choice out of range, or not a probability a choice.
    """
    known = {question.id: question for question in questions_in_form(entry.form, asked.questions)}
    seen: set[str] = set()
    for found in entry.predictions:
        question = known.get(found.question_id)
        if question is None or question.clip_id != found.clip_id:
            what = f"{asked.path} does not ask" + ("" if question is None else " about that clip")
            raise GymQAError(
                f"{entry.path} answers question {found.question_id}, which {what}; run the evaluation again"
            )
        if found.question_id in seen:
            raise GymQAError(f"{entry.path} answers question {found.question_id} twice; run the evaluation again")
        if found.choice is not None and not 0 <= found.choice < len(question.choices):
            raise GymQAError(
                f"{entry.path} chooses {found.choice} of {len(question.choices)} choices in question "
                f"{found.question_id}; run the evaluation again"
            )
        if found.probabilities is not None and len(found.probabilities) != len(question.choices):
            raise GymQAError(
                f"{entry.path} gives question {found.question_id} {len(found.probabilities)} probabilities for "
                f"{len(question.choices)} choices; run the evaluation again"
            )
        seen.add(found.question_id)
    return entry
