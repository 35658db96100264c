"""Which files of questions are asked, and where their predictions go."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from eval.metrics.forms import Form
from eval.run.question_files import QuestionFile, read_files
from gymqa.errors import GymQAError
from gymqa.frames.controls import NONE


def choose_files(
    paths: Sequence[Path], benchmarks: Sequence[str] | None, tiers: Sequence[str] | None
) -> dict[str, QuestionFile]:
    """Read question files, those below a folder too, and keep the ones that are wanted.

    Returns:
        The files by what their predictions are called: the benchmark, with the file's name where several are of it.

    Raises:
        GymQAError: a file is missing or wrong, none is left, or two would have the same name.
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
    times = Counter(file.benchmark for file in kept)
    names = [file.benchmark if times[file.benchmark] == 1 else f"{file.benchmark}-{file.path.stem}" for file in kept]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise GymQAError(f"two files of questions would both be answered in {twice}.jsonl; give them other names")
    return dict(zip(names, kept, strict=True))


def out_path(out: Path, name: str, control: str, form: Form) -> Path:
    """The predictions file of some questions under a control: `out` itself, where that is a file."""
    if out.suffix == ".jsonl":
        return out
    words = [name, *([form] if form != "plain" else []), *([control] if control != NONE else [])]
    return out / (".".join(words) + ".jsonl")
