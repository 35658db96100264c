"""Which files of questions are asked, and where their predictions go."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.forms import Form
from gymqa.controls import NONE
from gymqa.errors import GymQAError
from gymqa.questions import Question, load_questions


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


def out_path(out: Path, file: QuestionFile, control: str, form: Form) -> Path:
    """The predictions file of some questions under a control: `out` itself, where that is a file."""
    if out.suffix == ".jsonl":
        return out
    words = [file.name, *([form] if form != "plain" else []), *([control] if control != NONE else [])]
    return out / (".".join(words) + ".jsonl")
