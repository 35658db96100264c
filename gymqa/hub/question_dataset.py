"""Question data set of the Hub: a folder of parquet files, one per configuration and split, and a data card.

A configuration is a setting and a tier, `gym99-set`. Rows have a column for each field of Question, and `video`, the
clip's path inside a release; the videos themselves are not included.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import video_of
from gymqa.io.files import atomic_path, replaced_folder, visible_files, write_text
from gymqa.questions.schema import IMPORTED, KINDS, MINIMAL_PAIRS, PUBLISHED_BENCHMARKS, TIERS, Question
from gymqa.questions.validation import validate

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS = ("train", "val", "test")
RELEASED = "released"
QUESTION_TIERS = (*TIERS, *KINDS[1:], MINIMAL_PAIRS, RELEASED, IMPORTED)
"""Names that group questions into configurations: the tier of their distractors, what is asked, or whose they are."""
CARD = "README.md"
_SETTING = r"[A-Za-z0-9_-]+"
_CONFIG = re.compile(rf"({_SETTING})-({'|'.join(QUESTION_TIERS)})", re.ASCII)


@dataclass(frozen=True, slots=True)
class QuestionSplit:
    """The questions of one tier and split; `tier` is one of QUESTION_TIERS."""

    setting: str
    tier: str
    split: str
    questions: tuple[Question, ...]

    @property
    def config(self) -> str:
        """The configuration's name."""
        return config_name(self.setting, self.tier)

    @property
    def path(self) -> str:
        """The parquet file's path inside the data set."""
        return f"{self.config}/{self.split}.parquet"


def config_name(setting: str, tier: str) -> str:
    """Name of a configuration; `tier` may be a benchmark's name as well (gym-qa-hard is the tier set).

    Raises:
        GymQAError: there is no such tier, or the setting has characters that are not allowed in file names.
    """
    if not re.fullmatch(_SETTING, setting):
        raise GymQAError(f"setting {setting!r} cannot be part of a name; use letters, digits, - and _")
    name = PUBLISHED_BENCHMARKS.get(tier, tier)
    if name not in QUESTION_TIERS:
        known = ", ".join([*QUESTION_TIERS, *PUBLISHED_BENCHMARKS])
        raise GymQAError(f"there is no tier {tier!r}; choose one of {known}")
    return f"{setting}-{name}"


def parse_config(config: str) -> tuple[str, str]:
    """Split a configuration's name into its setting and tier.

    Raises:
        GymQAError: it ends in no tier, or has characters that are not allowed in file names.
    """
    match = _CONFIG.fullmatch(config)
    if match is None:
        raise GymQAError(f"configuration {config!r} is not one of gymqa; names are <setting>-<tier>, such as gym99-set")
    return match[1], match[2]


def question_tier(question: Question) -> str:
    """The one of QUESTION_TIERS that a question belongs to.

    Raises:
        GymQAError: none, for it is of a benchmark of the user's own.
    """
    if question.released:
        return RELEASED
    if question.kind == IMPORTED:
        return IMPORTED
    if question.kind not in KINDS:
        raise GymQAError(
            f"question {question.id} is of {question.kind}, and the data set holds gymqa's benchmarks; leave it out"
        )
    if question.group:
        return MINIMAL_PAIRS
    return question.tier if question.kind == "element" else question.kind


def question_files(source: Path) -> list[Path]:
    """The question files of `source`: itself, or every .jsonl below a folder, sorted by path.

    Raises:
        GymQAError: it is missing, not a .jsonl file, or a folder without any.
    """
    if source.is_dir():
        found = visible_files(source, "**/*.jsonl")
        if not found:
            raise GymQAError(f"{source} holds no .jsonl file; name a folder of question files, or build some first")
        return found
    if not source.exists():
        raise GymQAError(f"{source} does not exist; name a question file or a folder of them")
    if source.suffix != ".jsonl":
        raise GymQAError(f"{source} is not a .jsonl file; convert released files with `gymqa questions import`")
    return [source]


def split_of(file: Path, split: str | None) -> str:
    """The split of a question file: `split`, or the one its name ends in (val.jsonl, gym99-train.jsonl).

    Raises:
        GymQAError: it cannot be determined, or is not one of SPLITS.
    """
    found = split or file.stem.replace("_", "-").rsplit("-", 1)[-1]
    if found not in SPLITS:
        raise GymQAError(f"{file} does not name its split ({', '.join(SPLITS)}); give --split, or rename the file")
    return found


def sort_questions(
    files: Mapping[Path, Sequence[Question]], setting: str, split: str | None = None
) -> list[QuestionSplit]:
    """Group the questions of files by tier and split, in the files' order.

    Raises:
        GymQAError: a file's split cannot be determined, or an id occurs twice in a tier and split.
    """
    found = [(question_tier(one), split_of(file, split), one) for file, asked in files.items() for one in asked]
    order = sorted(found, key=lambda row: (QUESTION_TIERS.index(row[0]), SPLITS.index(row[1])))
    splits = [
        QuestionSplit(setting, tier, name, tuple(question for *_, question in rows))
        for (tier, name), rows in groupby(order, key=lambda row: row[:2])
    ]
    for one in splits:
        if problems := validate(one.questions, as_released=True):
            raise GymQAError(f"{one.config}, {one.split}: {problems[0]}")
    if not splits:
        raise GymQAError("there is no question to write; check that the files hold some")
    return splits


def video_path(question: Question) -> str:
    """The path of a question's video: inside a release, or below the folder of videos of another set.

    Raises:
        GymQAError: the question names neither a clip of a release nor a video.
    """
    if question.kind == IMPORTED:
        if not question.video:
            raise GymQAError(f"question {question.id} names no video; import its set again")
        return question.video
    video_of(question.clip_id)
    return f"subactions/{question.clip_id}.mp4"


def write_dataset(folder: Path, splits: Sequence[QuestionSplit], card: str) -> None:
    """Write parquet files and card into `folder`, atomically; an existing data set is replaced.

    Raises:
        GymQAError: `folder` holds something else, or is not writable.
    """
    if folder.exists() and not is_dataset(folder):
        raise GymQAError(f"{folder} exists and is not a data set of gymqa; choose another folder or remove it")
    with replaced_folder(folder) as new:
        for one in splits:
            _write_parquet(new / one.path, one.questions, _schema(one.tier))
        write_text(new / CARD, card)


def is_dataset(folder: Path) -> bool:
    """Whether the folder is empty, or holds only a card and parquet files in one folder per configuration."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir()] if folder.is_dir() else None
    if names is None:
        return False
    parquet = all(len(name.parts) == 2 and name.suffix == ".parquet" for name in names if name != Path(CARD))
    return parquet and (not names or Path(CARD) in names)


def require_whole(folder: Path, config: str, split: str) -> None:
    """Check that a configuration's parquet file can be read completely.

    Raises:
        GymQAError: there is no such configuration or split, or the file is missing, damaged or has other columns.
    """
    _, tier = parse_config(config)
    if split not in SPLITS:
        raise GymQAError(f"the card of {folder} names the split {split!r}; gymqa's are {', '.join(SPLITS)}")
    path = folder / config / f"{split}.parquet"
    try:
        with parquet.ParquetFile(path) as file:
            columns = file.schema_arrow.names
            for _ in file.iter_batches():
                pass
    except (OSError, pa.ArrowException) as error:
        raise GymQAError(f"{path} is missing or damaged; write the data set again with `gymqa hub push`") from error
    if columns != _schema(tier).names:
        raise GymQAError(f"{path} has other columns than gymqa's; write the data set again with `gymqa hub push`")


def _write_parquet(path: Path, questions: Sequence[Question], schema: "pa.Schema") -> None:
    rows = [_row(question, schema.names) for question in questions]
    with atomic_path(path) as temporary:
        parquet.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)


def _row(question: Question, columns: Sequence[str]) -> dict[str, Any]:
    row = {
        field.name: getattr(question, field.name) for field in fields(question) if field.name in columns
    }  # asdict copies everything, which is slow
    row["attributes"] = [asdict(one) for one in question.attributes]
    row["released"] = asdict(question.released) if question.released else None
    return {**row, "video": video_path(question)}


def _schema(tier: str) -> "pa.Schema":
    """Plain Arrow types without Hugging Face metadata, readable by every version of `datasets`; a video is a path."""
    text, number = pa.string(), pa.int32()
    return pa.schema(
        {
            "id": text,
            "clip_id": text,
            "video_id": text,
            "text": text,
            "choices": pa.list_(text),
            "answer": number,
            "tier": text,
            "drawn_tier": text,
            "choice_labels": pa.list_(number),
            "event": text,
            "set_id": number,
            "element": number,
            "kind": text,
            "attributes": pa.list_(pa.struct({"question": text, "value": pa.bool_()})),
            "group": text,
            "released": pa.struct({"answer_type": text, "dataset": text, "frame_length": number}),
            **({"source": text, "task": text} if tier == IMPORTED else {}),
            "video": text,
        }
    )
