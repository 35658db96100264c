"""What a question set gives away: repeats, letters, and what guessing from the apparatus or the set alone scores.

It reads Gym-QA's released JSON, and our own question files as well.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymqa.annotations import annotations_folder, open_release, parse_clip_id, read_element_list
from gymqa.atomic import read_json
from gymqa.errors import GymQAError
from gymqa.questions import LETTERS, Question, load_questions, validate_file
from gymqa.taxonomy import Element, Taxonomy, read_taxonomy

_LETTER = re.compile(r"(?:^|(?<=\s))([A-Z])\.")
_LISTS = ("val_element", "train_element_v1.1", "train_element_v1.0", "train_element")


@dataclass(frozen=True, slots=True)
class PublishedQuestion:
    """One entry of the released JSON. Unlike in a Question, choices may repeat: 92 of 8,521 do."""

    id: str
    clip_id: str
    video_id: str
    text: str
    choices: tuple[str, ...]
    answer: int


@dataclass(frozen=True, slots=True)
class _Case:
    """A question as the statistics see it; `meanings` are the elements that each choice may name."""

    video_id: str
    choices: tuple[str, ...]
    answer: int
    truth: Element
    meanings: tuple[list[Element], ...]


def split_choices(text: str, known: Callable[[str], bool] | None = None) -> tuple[str, tuple[str, ...]]:
    """Take "What … performing? A.x B.y C.z D.w" apart: the question and its choices, blanks collapsed.

    Names may hold dots and capitals themselves ("0.5 turn", "over HB to hang", even "plan B. take-off"): the reading
    whose choices are all `known` is taken; where there is none, each letter's earliest mark.

    Raises:
        GymQAError: there are no two lettered choices, or one of them is empty.
    """
    marks = list(_LETTER.finditer(text))
    cut = (_known_reading(text, marks, known, []) if known else None) or _first_reading(marks)
    ends = [mark.start() for mark in cut[1:]] + [len(text)]
    choices = tuple(_between(text, mark, end) for mark, end in zip(cut, ends, strict=False))
    if len(choices) < 2 or not all(choices):
        raise GymQAError(f"{text!r} does not hold lettered choices; write them as `… A.first B.second`")
    return text[: cut[0].start()].strip(), choices


def read_published(path: Path, taxonomy: Taxonomy | None = None) -> list[PublishedQuestion]:
    """Read Gym-QA's released JSON; with a taxonomy, its names help to take the choices apart.

    Raises:
        GymQAError: the file is missing or not JSON, or an entry is wrong (named by its id).
    """
    entries = read_json(path)
    if not isinstance(entries, dict) or not entries:
        raise GymQAError(f"{path} is no Gym-QA file: an object of questions by id is expected")
    known = None if taxonomy is None else lambda name: bool(taxonomy.named(name))
    questions = []
    for question_id, entry in entries.items():
        try:
            text, choices = split_choices(entry["question"], known)
            answer, clip_id = _letter_index(entry["answer"], len(choices)), entry["video"]
            video_id = parse_clip_id(clip_id).video_id
        except (KeyError, TypeError, ValueError, GymQAError) as error:
            reason = str(error) if isinstance(error, GymQAError) else repr(error)
            raise GymQAError(f"{path}: question {question_id}: {reason}") from error
        questions.append(PublishedQuestion(question_id, clip_id, video_id, text, choices, answer))
    return questions


def released_stats(file: Path, finegym: Path, setting: str = "gym99") -> dict[str, Any]:
    """The statistics of a released JSON file; the right elements are those of FineGym's own lists.

    Raises:
        GymQAError: a file is missing or wrong, or a clip is in none of the lists of the setting.
    """
    folder = annotations_folder(finegym)
    taxonomy = read_taxonomy(folder, setting)
    return stats(read_published(file, taxonomy), taxonomy, read_labels(folder, setting))


def file_stats(file: Path, finegym: Path, setting: str | None = None) -> dict[str, Any]:
    """The statistics of either kind of file: our own question files end in .jsonl, the released ones in .json.

    `setting` may be left out for a release that has only one; a released file is taken to be of gym99.

    Raises:
        GymQAError: as `released_stats`.
    """
    if file.suffix == ".jsonl":
        return stats(load_questions(file), open_release(finegym, setting).taxonomy)
    return released_stats(file, finegym, setting or "gym99")


def read_labels(annotations: Path, setting: str) -> dict[str, int]:
    """Clip id -> class label, from every element list of the setting that is there."""
    paths = [annotations / f"{setting}_{name}.txt" for name in _LISTS]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise GymQAError(f"{annotations} holds no element list of {setting}; {paths[0].name} is expected")
    return {clip.id: clip.label for path in found for clip in read_element_list(path) if clip.label is not None}


def file_problems(file: Path) -> list[str]:
    """What is wrong with a question file of either kind (.jsonl ours, .json released), a sentence a question.

    Raises:
        GymQAError: the file is missing, or is no file of questions at all.
    """
    if file.suffix == ".jsonl":
        return validate_file(file)
    repeats = ((question, Counter(question.choices)) for question in read_published(file))
    return [
        f"{file}: question {question.id} offers the choice {choice!r} {count} times; replace the others"
        for question, choices in repeats
        for choice, count in choices.items()
        if count > 1
    ]


def stats(
    questions: Sequence[PublishedQuestion] | Sequence[Question],
    taxonomy: Taxonomy,
    labels: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Counts and shortcuts of a question set, fit for JSON; rates in [0, 1], to three decimals.

    The oracles know the apparatus (event) or the set of the clip and nothing else, and guess evenly among the
    letters left: expected accuracy, no draw. A name that two elements share may mean either, so a letter stays when
    any element of its name is of the right event (or set); a right answer that stands twice counts for one of its
    letters only, as scored by letter. `labels` (clip id -> label) are needed for published questions.

    Returns: n, videos, n_choices (the sizes that occur), letters (how often each is right), repeated_choices,
        repeated_answers (questions whose right choice stands twice), wrong_answers (the right choice is not the
        clip's element), chance, oracle_event, oracle_set, no_distractor_of_event, no_distractor_of_set (shares of
        the questions), longest_choice (accuracy of always taking the longest).

    Raises:
        GymQAError: no question, a clip without a label, or a choice that no element is named.
    """
    if not questions:
        raise GymQAError("there is no question to count; check that the file holds some")
    cases = [_case(question, taxonomy, labels or {}) for question in questions]
    letters = Counter(LETTERS[case.answer] for case in cases)
    events = [_left(case, lambda element: element.event) for case in cases]
    sets = [_left(case, lambda element: element.set_id) for case in cases]
    return {
        "n": len(cases),
        "videos": len({case.video_id for case in cases}),
        "n_choices": sorted({len(case.choices) for case in cases}),
        "letters": dict(sorted(letters.items())),
        "repeated_choices": sum(len(set(case.choices)) < len(case.choices) for case in cases),
        "repeated_answers": sum(case.choices.count(case.choices[case.answer]) > 1 for case in cases),
        "wrong_answers": sum(case.truth not in case.meanings[case.answer] for case in cases),
        "chance": _mean(1 / len(case.choices) for case in cases),
        "oracle_event": _mean(1 / left for left in events),
        "oracle_set": _mean(1 / left for left in sets),
        "no_distractor_of_event": _mean(left == 1 for left in events),
        "no_distractor_of_set": _mean(left == 1 for left in sets),
        "longest_choice": _mean(_longest(case) for case in cases),
    }


def _case(question: PublishedQuestion | Question, taxonomy: Taxonomy, labels: dict[str, int]) -> _Case:
    if isinstance(question, Question):
        if max(question.choice_labels) >= len(taxonomy):
            raise GymQAError(f"question {question.id} has labels beyond {taxonomy.setting}'s; name its own setting")
        meanings = tuple([taxonomy.elements[label]] for label in question.choice_labels)
        truth = taxonomy.elements[question.element]
        return _Case(question.video_id, question.choices, question.answer, truth, meanings)
    if question.clip_id not in labels:
        raise GymQAError(f"question {question.id}: clip {question.clip_id} is in no element list of {taxonomy.setting}")
    meanings = tuple(taxonomy.named(choice) or [taxonomy.find(choice)] for choice in question.choices)
    truth = taxonomy.elements[labels[question.clip_id]]
    return _Case(question.video_id, question.choices, question.answer, truth, meanings)


def _left(case: _Case, group: Callable[[Element], str | int]) -> int:
    """How many letters an oracle that knows the clip's group cannot rule out."""
    return sum(any(group(element) == group(case.truth) for element in meaning) for meaning in case.meanings)


def _longest(case: _Case) -> float:
    """Expected accuracy of taking the longest choice, evenly among those of the same length."""
    most = max(map(len, case.choices))
    longest = [index for index, choice in enumerate(case.choices) if len(choice) == most]
    return (case.answer in longest) / len(longest)


def _mean(values: Iterator[float]) -> float:
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 3)


def _letter_index(letter: str, n_choices: int) -> int:
    if not isinstance(letter, str) or len(letter) != 1 or letter not in LETTERS[:n_choices]:
        raise ValueError(f"the answer {letter!r} is no letter of {n_choices} choices")
    return LETTERS.index(letter)


def _first_reading(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The earliest A, the earliest B after it, and so on: the longest run there is."""
    cut: list[re.Match[str]] = []
    for mark in marks:
        if len(cut) < len(LETTERS) and mark[1] == LETTERS[len(cut)]:
            cut.append(mark)
    return cut


def _known_reading(
    text: str, marks: list[re.Match[str]], known: Callable[[str], bool], cut: list[re.Match[str]]
) -> list[re.Match[str]] | None:
    """Extend `cut` so that every choice is a known name; None where that cannot be."""
    for place, mark in enumerate(marks):
        fits = len(cut) < len(LETTERS) and mark[1] == LETTERS[len(cut)]
        if fits and (not cut or known(_between(text, cut[-1], mark.start()))):
            found = _known_reading(text, marks[place + 1 :], known, [*cut, mark])
            if found is not None:
                return found
    whole = len(cut) >= 2 and known(_between(text, cut[-1], len(text)))
    return cut if whole else None


def _between(text: str, mark: re.Match[str], end: int) -> str:
    return " ".join(text[mark.end() : end].split())
