"""The nouns of the benchmark: Question, Answer, Prediction; their files, one JSON object a line."""

import json
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from gymqa.atomic import write_text
from gymqa.errors import GymQAError

QUESTION_TEXT = "What gymnastics move is this athlete performing?"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TIERS = ("twin", "set", "event", "random")
"""Where distractors come from, the hardest first; a question falls back along this order."""
BENCHMARKS = {"gym-qa": "random", "gym-qa-hard": "set", "gym-new": "twin"}
"""Benchmark -> tier of its distractors."""


@dataclass(frozen=True, slots=True)
class Question:
    """One multiple-choice question about one clip.

    `answer` is the index of the right choice, `choice_labels` the class labels behind the choices, `element` the
    clip's own label, with its `event` and `set_id`. `tier` is what was asked for, `drawn_tier` the lowest tier that
    a distractor came from.

    Raises:
        GymQAError: choices that are equal (as text or as element), or an answer that is not the clip's element.
    """

    id: str
    clip_id: str
    video_id: str
    text: str
    choices: tuple[str, ...]
    answer: int
    tier: str
    drawn_tier: str
    choice_labels: tuple[int, ...]
    event: str
    set_id: int
    element: int

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise GymQAError(f"question {self.id} {problem}")

    @property
    def benchmark(self) -> str:
        """The benchmark of the question's tier; the tier itself where no benchmark has it."""
        return next((name for name, tier in BENCHMARKS.items() if tier == self.tier), self.tier)

    @property
    def letter(self) -> str:
        """The right letter."""
        return LETTERS[self.answer]


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer: index of its choice (None: unanswered, with the reason in `error`) and a probability each."""

    question_id: str
    choice: int | None
    probabilities: tuple[float, ...] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line of a predictions file: an Answer beside what scoring needs, so that it needs nothing else."""

    question_id: str
    clip_id: str
    video_id: str
    benchmark: str
    choice: int | None
    answer: int
    probabilities: tuple[float, ...] | None = None
    error: str | None = None

    @classmethod
    def of(cls, question: Question, answer: Answer, benchmark: str | None = None) -> "Prediction":
        """Join a question and its answer; `benchmark` defaults to the question's own.

        Raises:
            GymQAError: the answer is another question's, or its choice is not one of the question's.
        """
        if answer.question_id != question.id:
            raise GymQAError(f"the answer to question {answer.question_id} was given for question {question.id}")
        if answer.choice is not None and not 0 <= answer.choice < len(question.choices):
            raise GymQAError(f"question {question.id} has no choice {answer.choice}; it has {len(question.choices)}")
        return cls(
            question_id=question.id,
            clip_id=question.clip_id,
            video_id=question.video_id,
            benchmark=benchmark or question.benchmark,
            choice=answer.choice,
            answer=question.answer,
            probabilities=answer.probabilities,
            error=answer.error,
        )


Noun = TypeVar("Noun", Question, Answer, Prediction)
_HINTS: dict[type, dict[str, Any]] = {kind: typing.get_type_hints(kind) for kind in (Question, Answer, Prediction)}


def format_question(question: Question) -> str:
    """The text and its lettered choices as Gym-QA prints them: `What … performing? A.x B.y C.z D.w`."""
    choices = (f"{letter}.{choice}" for letter, choice in zip(LETTERS, question.choices, strict=False))
    return " ".join((question.text, *choices))


def to_line(noun: Question | Answer | Prediction) -> str:
    """One line of JSON, without its line break."""
    return json.dumps(asdict(noun), ensure_ascii=False)


def from_line(kind: type[Noun], line: str) -> Noun:
    """Read what `to_line` wrote.

    Raises:
        GymQAError: no JSON object, a field missing, unknown or of another type, or an impossible Question.
    """
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GymQAError(f"not a line of JSON ({error})") from error
    if not isinstance(record, dict):
        raise GymQAError(f"a {kind.__name__} is a JSON object, not {type(record).__name__}")
    hints = _HINTS[kind]
    if record.keys() != hints.keys():
        names = ", ".join(sorted(record.keys() ^ hints.keys()))
        raise GymQAError(f"these fields are missing or unknown in a {kind.__name__}: {names}")
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
    for name, value in values.items():
        if not _fits(value, hints[name]):
            raise GymQAError(f"{name} of a {kind.__name__} cannot be {record[name]!r}")
    make: Callable[..., Noun] = kind  # the types of its fields are checked above
    return make(**values)


def save_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write one question a line, whole or not at all."""
    write_text(path, "".join(to_line(question) + "\n" for question in questions))


def load_questions(path: Path) -> list[Question]:
    """Read what `save_questions` wrote.

    Raises:
        GymQAError: the file is missing or a line is wrong (named as file:line).
    """
    return _load(Question, path)


def load_predictions(path: Path) -> list[Prediction]:
    """Read a predictions file.

    Raises:
        GymQAError: the file is missing or a line is wrong (named as file:line).
    """
    return _load(Prediction, path)


def validate(questions: Iterable[Question]) -> list[str]:
    """Problems of a whole set, a sentence each; what is wrong inside one question its constructor refuses."""
    counts = Counter(question.id for question in questions)
    repeated = {id: count for id, count in counts.items() if count > 1}
    return [f"question {id} stands there {count} times; give each its own id" for id, count in repeated.items()]


def validate_file(path: Path) -> list[str]:
    """Every problem of a questions file, a sentence each, instead of stopping at the first.

    Raises:
        GymQAError: the file is missing or no text.
    """
    problems, questions = [], []
    for place, line in _lines(path):
        try:
            questions.append(from_line(Question, line))
        except GymQAError as error:
            problems.append(f"{place}: {error}")
    if not questions and not problems:
        problems.append(f"{path} holds no question")
    return problems + validate(questions)


def _problem(question: Question) -> str | None:
    choices, labels = question.choices, question.choice_labels
    if not 2 <= len(choices) <= len(LETTERS):
        return f"has {len(choices)} choices; give it 2 to {len(LETTERS)}"
    plain = Counter(" ".join(choice.split()).casefold() for choice in choices)
    repeated = next((choice for choice, count in plain.items() if count > 1), None)
    if repeated is not None:
        return f"offers the choice {repeated!r} twice; replace one of the two"
    if len(labels) != len(choices) or len(set(labels)) != len(labels):
        return f"has the choice labels {list(labels)}; give each of its {len(choices)} choices a label of its own"
    if not 0 <= question.answer < len(choices) or labels[question.answer] != question.element:
        return f"has the answer {question.answer}, which is not its clip's element; correct the answer"
    if {question.tier, question.drawn_tier} - set(TIERS):
        return f"has the tiers {question.tier!r} and {question.drawn_tier!r}; use {', '.join(TIERS)}"
    return None


def _load(kind: type[Noun], path: Path) -> list[Noun]:
    nouns = []
    for place, line in _lines(path):
        try:
            nouns.append(from_line(kind, line))
        except GymQAError as error:
            raise GymQAError(f"{place}: {error}") from error
    return nouns


def _lines(path: Path) -> list[tuple[str, str]]:
    """The file's non-empty lines, each with its place `file:line`."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # not splitlines: a choice may hold U+2028
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path, or run the step that writes it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(
            f"{path} cannot be read as text ({error}); check that it holds one JSON object a line"
        ) from error
    return [(f"{path}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value (lists as tuples) has the annotated type; True and False are no numbers."""
    if isinstance(hint, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(_fits(item, typing.get_args(hint)[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and not (hint is int and isinstance(value, bool))
