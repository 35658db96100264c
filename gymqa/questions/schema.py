"""Dataclasses of the benchmark: Question, Answer, Prediction and their parts; names of benchmarks, tiers and kinds."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gymqa.errors import GymQAError
from gymqa.finegym.decision_trees import Attribute
from gymqa.io.jsonl import ADDED
from gymqa.runtime.registry import is_plug_in

QUESTION_TEXT = "What gymnastics move is this athlete performing?"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TIERS = ("attribute", "twin", "set", "event", "random")
"""Where distractors come from, the hardest first; a question falls back along this order, leaving out the twin."""
PUBLISHED_BENCHMARKS = {"gym-qa": "random", "gym-qa-hard": "set", "gym-new": "twin"}
"""Benchmark -> tier of its distractors."""
ELEMENT_BENCHMARKS = {**PUBLISHED_BENCHMARKS, "event": "event", "attribute": "attribute"}
"""All sets of questions that ask for the element; a tier that no published benchmark has goes by its own name."""
KINDS = ("element", "decision", "counting", "direction", "shape")
"""What is asked: the element's name, one yes/no decision of its tree, or what its name says of the movement.

Questions of the user's own benchmark are of the kind `package.module:function`, which builds them.
"""
MINIMAL_PAIRS = "minimal-pairs"
IMPORTED = "imported"
"""Kind of the questions of another video question set; their benchmark is the set's name, `source`."""
_OWN_NAMES = {*TIERS, *ELEMENT_BENCHMARKS, *KINDS, MINIMAL_PAIRS, IMPORTED, "released"}
_SOURCES = "name it in letters, digits, - and _, not as a benchmark of gymqa"
_SOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
_ROUNDED = 0.01  # the sum of rounded probabilities differs from 1 by less


@dataclass(frozen=True, slots=True)
class Released:
    """Other fields of an entry of Gym-QA's released JSON; `frame_length` is the clip's number of frames."""

    answer_type: str
    dataset: str
    frame_length: int


@dataclass(frozen=True, slots=True)
class BareQuestion:
    """The part of a question that Gym-QA's released JSON holds; `answer` is the index of the right choice."""

    id: str
    clip_id: str
    video_id: str
    text: str
    choices: tuple[str, ...]
    answer: int

    @property
    def letter(self) -> str:
        """The right letter."""
        return LETTERS[self.answer]


@dataclass(frozen=True, slots=True)
class Question(BareQuestion):
    """One multiple-choice question about one clip.

    `choice_labels` are the class labels of the choices (empty if the choices are not elements), `element` is the clip's
    own label, with its `event`, `set_id` and the `attributes` of its decision tree. `tier` is the requested tier of the
    distractors, `drawn_tier` the lowest tier that one was sampled from. `group` is the id of the question's minimal
    pair, if any: questions that count together. `released` marks a question imported from Gym-QA's file as published.

    A question of another set, of the kind IMPORTED, has none of tiers, labels and element; `source` names its set,
    `task` what the set calls its category, `video` the path of the clip's video below the folder of videos. Intervals
    are clustered by `video_id` for every kind.

    Raises:
        GymQAError: two choices are equal (as text or as element), or the answer contradicts the clip's element; in a
            released question both are accepted, and reported by `validate`.
    """

    tier: str = field(default="", metadata=ADDED)
    drawn_tier: str = field(default="", metadata=ADDED)
    choice_labels: tuple[int, ...] = ()
    event: str = ""
    set_id: int | None = field(default=None, metadata=ADDED)
    element: int | None = field(default=None, metadata=ADDED)
    kind: str = "element"
    attributes: tuple[Attribute, ...] = ()
    group: str = ""
    released: Released | None = None
    source: str = field(default="", metadata=ADDED)
    task: str = field(default="", metadata=ADDED)
    video: str = field(default="", metadata=ADDED)

    def __post_init__(self) -> None:
        problem = _impossible(self) or (None if self.released else flaw(self))
        if problem:
            raise GymQAError(f"question {self.id} {problem}")

    @property
    def benchmark(self) -> str:
        """The set of questions it belongs to: its source, minimal pairs, its kind, or the benchmark of its tier."""
        if self.kind == IMPORTED:
            return self.source
        if self.group and self.kind in KINDS:
            return MINIMAL_PAIRS
        if self.kind != "element":
            return self.kind
        return next((name for name, tier in PUBLISHED_BENCHMARKS.items() if tier == self.tier), self.tier)


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token counts of a reply from an endpoint; `paid_before` marks a reply that an earlier run has paid for."""

    prompt: int
    completion: int
    paid_before: bool = False


@dataclass(frozen=True, slots=True)
class Detail:
    """Provenance of an answer, as far as the model reports it.

    `prompt_sha256` is the hash of the whole prompt; `frames` are the indices of the frames in the order shown, from the
    clip or from `clip_id` if a control showed another one; `revision` identifies the weights (an endpoint's own name, a
    commit on the Hub, the start of a hash); `reply` is the text that the choice was parsed from; `tokens` are its token
    counts, written only for paid endpoints.
    """

    prompt_sha256: str = ""
    frames: tuple[int, ...] = ()
    revision: str = ""
    reply: str = ""
    clip_id: str = ""
    tokens: Tokens | None = field(default=None, metadata=ADDED)


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's answer: index of its choice (None: unanswered, see `error`) and the probability of every choice.

    `retry` marks an answer that is missing for a temporary reason, such as a server that is down; the resumed run asks
    the question again.
    """

    question_id: str
    choice: int | None
    probabilities: tuple[float, ...] | None = None
    error: str | None = None
    detail: Detail | None = None
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Prediction:
    """One line of a predictions file: an Answer with everything that scoring needs."""

    question_id: str
    clip_id: str
    video_id: str
    benchmark: str
    choice: int | None
    answer: int
    probabilities: tuple[float, ...] | None = None
    error: str | None = None
    detail: Detail | None = None

    @classmethod
    def of(cls, question: Question, answer: Answer, benchmark: str | None = None) -> "Prediction":
        """Join a question and its answer; `benchmark` defaults to the question's own.

        Raises:
            GymQAError: the answer is to another question, or its choice is out of range.
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
            detail=answer.detail,
        )


def probability_flaw(values: Sequence[float]) -> str | None:
    """Describe what keeps numbers from being a distribution: one outside [0, 1], NaN, or a sum other than 1."""
    total = sum(values)
    if values and min(values) >= 0.0 and max(values) <= 1.0 + 1e-6 and abs(total - 1.0) <= _ROUNDED:  # NaN fails
        return None
    wrong = next((value for value in values if not 0.0 <= value <= 1.0 + 1e-6), None)
    return f"probabilities outside [0, 1] ({wrong})" if wrong is not None else f"probabilities that sum to {total:.4g}"


def format_question(question: Question) -> str:
    """The text with lettered choices in Gym-QA's format: `What … performing? A.x B.y C.z D.w`; `A B C D` if there is
    neither text nor choice but the letters.
    """
    letters = LETTERS[: len(question.choices)]
    if not question.text and question.choices == tuple(letters):
        return " ".join(letters)
    choices = (f"{letter}.{choice}" for letter, choice in zip(letters, question.choices, strict=True))
    return " ".join((question.text, *choices))


def flaw(question: Question) -> str | None:
    """Describe a defect of a well-formed question: equal choices, or a wrong answer; None if there is none."""
    choices, labels = question.choices, question.choice_labels
    plain = [" ".join(choice.split()).casefold() for choice in choices]
    if len(set(plain)) < len(plain):
        repeated = next(choice for choice, count in Counter(plain).items() if count > 1)
        return f"offers the choice {repeated!r} twice; replace one of the two"
    if len(set(labels)) != len(labels):
        return f"has the choice labels {list(labels)}; give each of its {len(choices)} choices a label of its own"
    if labels and labels[question.answer] != question.element:
        return f"has the answer {question.answer}, which is not its clip's element; correct the answer"
    truth = Attribute(question.text, choices[question.answer] == "Yes")
    if question.kind == "decision" and truth not in question.attributes:
        return f"has the answer {choices[question.answer]}, which its clip's decision tree denies; correct the answer"
    return None


def _impossible(question: Question) -> str | None:
    choices, labels = question.choices, question.choice_labels
    if not 2 <= len(choices) <= len(LETTERS):
        return f"has {len(choices)} choices; give it 2 to {len(LETTERS)}"
    own = is_plug_in(question.kind)
    if question.kind == IMPORTED:
        return _impossible_import(question)
    if question.kind not in KINDS and not own:
        return f"is of the kind {question.kind!r}; use {', '.join(KINDS)}, or package.module:function of your own"
    if len(labels) != (len(choices) if question.kind == "element" else 0) and not (own and len(labels) == len(choices)):
        return f"has the choice labels {list(labels)}; give one for each choice that is an element, and no other"
    if question.kind == "decision" and {*choices} != {"Yes", "No"}:
        return f"offers {', '.join(choices)}; a decision is answered by Yes or No"
    if not 0 <= question.answer < len(choices):
        return f"has the answer {question.answer}, which is not one of its choices; give an index from 0"
    if {question.tier, question.drawn_tier} - set(TIERS):
        return f"has the tiers {question.tier!r} and {question.drawn_tier!r}; use {', '.join(TIERS)}"
    if question.element is None or question.set_id is None:
        return f"has no element or set_id; only questions of the kind {IMPORTED!r} do without"
    return _beside_import(question)


def _impossible_import(question: Question) -> str | None:
    """What a question of another set cannot have: a wrong index, no source, or an element of FineGym's."""
    if not 0 <= question.answer < len(question.choices):
        return f"has the answer {question.answer}, which is not one of its choices; give an index from 0"
    if not _names_a_source(question.source):
        return f"has the source {question.source!r}; {_SOURCES}"
    of_finegym = question.choice_labels or question.attributes or question.event or question.tier or question.drawn_tier
    if of_finegym or question.released or (question.element, question.set_id) != (None, None):
        return f"is of the kind {IMPORTED!r}, and has an element, labels or tiers; leave them out"
    return None


def require_source(name: str) -> None:
    """Check the name of another question set.

    Raises:
        GymQAError: it has other characters than the names of files, or is that of a set of gymqa's own.
    """
    if not _names_a_source(name):
        raise GymQAError(f"{name!r} cannot name a question set; {_SOURCES}")


def _names_a_source(name: str) -> bool:
    return _SOURCE.fullmatch(name) is not None and name not in _OWN_NAMES


def _beside_import(question: Question) -> str | None:
    """Refuse fields of imported questions in others."""
    if question.source or question.task or question.video:
        return f"has a source, task or video, as only questions of the kind {IMPORTED!r} do; leave them out"
    return None
