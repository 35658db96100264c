"""Question files of a command line: reading files and folders, selection by benchmark and tier, output paths."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.metrics.forms import Form, form_of, questions_in_form
from eval.run.results import file_info
from gymqa.errors import GymQAError
from gymqa.frames.controls import NONE
from gymqa.hub.question_dataset import question_files
from gymqa.questions.files import load_predictions, load_questions
from gymqa.questions.schema import Question


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """A file of questions with its SHA-256; `benchmark` is the file's name where it mixes benchmarks."""

    path: Path
    benchmark: str
    sha256: str
    questions: tuple[Question, ...]


def read_files(paths: Iterable[Path]) -> list[QuestionFile]:
    """Read question files, each once; a folder stands for every .jsonl below it, by path.

    Raises:
        GymQAError: a file is missing, invalid or empty, or a folder holds none.
    """
    found = {file.resolve(): file for path in paths for file in question_files(path)}
    return [_read(file) for file in found.values()]


def benchmark_of(questions: Sequence[Question], otherwise: str) -> str:
    """The benchmark of all questions; `otherwise` where they belong to several, or there are none."""
    names = {question.benchmark for question in questions}
    return names.pop() if len(names) == 1 else otherwise


def answered_file(path: Path, answers: Path) -> QuestionFile:
    """The question file that a predictions file answers.

    Args:
        path: a question file, taken as it is, or a folder that is searched for it.
        answers: predictions, in any form.

    Raises:
        GymQAError: as `read_files`, or no file of the folder, or several, contain the answered questions.
    """
    files = read_files([path])
    if len(files) == 1:
        return files[0]
    ids = {one.question_id for one in load_predictions(answers)}
    forms = {form_of(one) for one in ids}
    found = [
        one for one in files if ids <= {asked.id for form in forms for asked in questions_in_form(form, one.questions)}
    ]
    if not found:
        raise GymQAError(f"none of the {len(files)} files of questions at {path} asks what {answers} answers; name it")
    if len(found) > 1:
        raise GymQAError(f"{found[0].path} and {found[1].path} ask what {answers} answers; name the one that was asked")
    return found[0]


def _read(path: Path) -> QuestionFile:
    questions = tuple(load_questions(path))
    if not questions:
        raise GymQAError(f"{path} holds no question; draw its questions again")
    return QuestionFile(path, benchmark_of(questions, path.stem), file_info(path).sha256, questions)


def choose_files(
    paths: Sequence[Path], benchmarks: Sequence[str] | None, tiers: Sequence[str] | None
) -> dict[str, QuestionFile]:
    """Read question files and select by benchmark and tier.

    Returns:
        The files by name of their predictions: the benchmark, with the file's name where several belong to it.

    Raises:
        GymQAError: a file is missing or invalid, none is selected, or two have the same name.
    """
    read = read_files(paths)
    kept = [
        file
        for file in read
        if (benchmarks is None or file.benchmark in benchmarks)
        and (tiers is None or {question.tier for question in file.questions} <= {*tiers})
    ]
    if not kept:
        had = ", ".join(sorted({file.benchmark for file in read}))
        raise GymQAError(f"no file of questions is left to be asked; --questions has {had}")
    called = [file.benchmark.replace(":", "-") for file in kept]  # of a plug-in; not every file system takes a colon
    times = Counter(called)
    names = [name if times[name] == 1 else f"{name}-{file.path.stem}" for name, file in zip(called, kept, strict=True)]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise GymQAError(f"two files of questions would both be answered in {twice}.jsonl; give them other names")
    return dict(zip(names, kept, strict=True))


def out_path(out: Path, name: str, control: str, form: Form) -> Path:
    """The predictions file of questions in a form under a control: `out` itself where that is a .jsonl."""
    if out.suffix == ".jsonl":
        return out
    words = [name, *([form] if form != "plain" else []), *([control] if control != NONE else [])]
    return out / (".".join(words) + ".jsonl")
