"""Question sets as Hugging Face datasets. The rows carry clip ids, never footage."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from gymqa.errors import GymQAError
from gymqa.questions import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS, Question, load_questions, save_questions

if TYPE_CHECKING:
    from datasets import Dataset


def questions_path(folder: Path, benchmark: str, split: str) -> Path:
    """Where a split of a benchmark lies: `folder/gym-qa-hard/val.jsonl`.

    Raises:
        GymQAError: no such benchmark, or a split's name that would lead elsewhere.
    """
    known = [*ELEMENT_BENCHMARKS, *KINDS[1:], MINIMAL_PAIRS]
    if benchmark not in known:
        raise GymQAError(f"there is no benchmark {benchmark!r}; choose one of {', '.join(known)}")
    if not split.replace("_", "").isalnum():
        raise GymQAError(f"{split!r} cannot name a split; use letters, digits and _")
    return folder / benchmark / f"{split}.jsonl"


def save_gym_qa(folder: Path, split: str, benchmark: str, questions: Iterable[Question]) -> Path:
    """Write a split where `load_gym_qa` finds it; returns the file's path."""
    path = questions_path(folder, benchmark, split)
    save_questions(path, questions)
    return path


def load_gym_qa(folder: Path | str, split: str = "val", benchmark: str = "gym-qa") -> "Dataset":
    """A split as a Dataset, one row a question, a column for each field of Question.

    Raises:
        GymQAError: the file is missing, a line of it is wrong, or it holds no question.
    """
    # Imported here: `datasets` takes seconds to import, and most users of questions never need it.
    from datasets import Dataset, Features, List, Value

    path = questions_path(Path(folder), benchmark, split)
    questions = load_questions(path)
    if not questions:
        raise GymQAError(f"{path} holds no question; build the questions of {benchmark} again")
    text, number = Value("string"), Value("int32")
    features = Features(
        id=text,
        clip_id=text,
        video_id=text,
        text=text,
        choices=List(text),
        answer=number,
        tier=text,
        drawn_tier=text,
        choice_labels=List(number),
        event=text,
        set_id=number,
        element=number,
        kind=text,
        attributes=List({"question": text, "value": Value("bool")}),
        group=text,
        released={"answer_type": text, "dataset": text, "frame_length": number},
    )
    return Dataset.from_list([asdict(question) for question in questions], features=features, split=split)
