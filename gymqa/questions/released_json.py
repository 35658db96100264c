"""Gym-QA's released JSON format: read and parse it, import it as Questions, export Questions to it byte for byte."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import parse_clip_id
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.schema import LETTERS, BareQuestion, Question, Released, format_question

_LETTER = re.compile(r"(?:^|(?<=\s))([A-Z])\.")
_FIELDS = ("answer", "question", "answer_type", "question_id", "dataset", "video", "frame_length")


def read_published(path: Path, taxonomy: Taxonomy | None = None) -> list[BareQuestion]:
    """Read Gym-QA's released JSON; the names of a taxonomy help to split the choices.

    Unlike in a Question, choices may repeat: those of 92 of the 8,521 released questions do.

    Raises:
        GymQAError: the file is missing or not JSON, or an entry (named by its id) is malformed.
    """
    return [_read_entry(path, id, entry, taxonomy) for id, entry in _entries(path).items()]


def import_published(path: Path, taxonomy: Taxonomy, labels: Mapping[str, int]) -> list[Question]:
    """Import the released questions as Questions marked as released, including repeated choices.

    A name shared by several elements means the clip's own element if that is one of them, else the first by label.

    Args:
        path: the released JSON.
        taxonomy: taxonomy of its setting.
        labels: clip id -> class label.

    Raises:
        GymQAError: an entry (named by its id) is malformed, of an unknown clip, or has a choice that is not an element;
            or exporting would not reproduce the file's bytes.
    """
    entries = _entries(path)
    questions = []
    for id, entry in entries.items():
        published = _read_entry(path, id, entry, taxonomy)
        try:
            question = _import(published, entry, taxonomy, labels)
        except GymQAError as error:
            raise GymQAError(f"{path}: question {id}: {error}") from error
        if _export(question, question.id) != entry:
            raise GymQAError(
                f"{path}: question {id} has other fields or white space than Gym-QA's; use the file as released"
            )
        questions.append(question)
    if format_published(questions).encode() != path.read_bytes():
        raise GymQAError(
            f"{path} is not formatted like Gym-QA's files (JSON, indented by four spaces); reformat it first"
        )
    return questions


def format_published(questions: Iterable[Question]) -> str:
    """Format questions as Gym-QA's JSON; imported ones reproduce their file byte for byte.

    Others are numbered with seven digits and lack `frame_length`, which is known from their videos only.

    Raises:
        GymQAError: two questions share an id, or a question does not ask for the element: the JSON cannot represent
            decisions and minimal pairs.
    """
    entries: dict[str, dict[str, Any]] = {}
    for number, question in enumerate(questions):
        if question.kind != "element" or question.group:
            raise GymQAError(
                f"question {question.id} is of {question.benchmark}; Gym-QA's JSON holds questions for the element only"
            )
        id = question.id if question.released else f"{number:07}"
        if id in entries:
            raise GymQAError(f"question {id} occurs a second time; Gym-QA's JSON holds each id once")
        entries[id] = _export(question, id)
    if not entries:
        raise GymQAError("there is no question to write; check that the file holds some")
    return json.dumps(entries, indent=4)


def split_choices(text: str, known: Callable[[str], bool] | None = None) -> tuple[str, tuple[str, ...]]:
    """Split "What … performing? A.x B.y C.z D.w" into the question and its choices, white space collapsed.

    Names may hold dots and capitals themselves ("0.5 turn", "over HB to hang", even "plan B. take-off"): the split with
    only `known` choices is used; if there is none, each letter's first occurrence.

    Raises:
        GymQAError: there are fewer than two lettered choices, or one of them is empty.
    """
    marks = list(_LETTER.finditer(text))
    chosen = (_known_reading(text, marks, known, []) if known else None) or _first_reading(marks)
    ends = [mark.start() for mark in chosen[1:]] + [len(text)]
    choices = tuple(_between(text, mark, end) for mark, end in zip(chosen, ends, strict=False))
    if len(choices) < 2 or not all(choices):
        raise GymQAError(f"{text!r} does not hold lettered choices; write them as `… A.first B.second`")
    return text[: chosen[0].start()].strip(), choices


def _entries(path: Path) -> dict[str, Any]:
    """The file's JSON object.

    Raises:
        GymQAError: the file is missing, not a JSON object with entries, or has a repeated id.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise GymQAError(f"{path} holds {twice!r} twice in one object; remove one of the two")
        return found

    try:
        entries = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=unique)
    except FileNotFoundError as error:
        raise GymQAError(f"{path} does not exist; check the path") from error
    except OSError as error:
        raise GymQAError(f"{path} cannot be read: {error.strerror or error}; name a .json or .jsonl file") from error
    except (ValueError, RecursionError) as error:
        raise GymQAError(f"{path} is not valid JSON ({error}); get the released file again") from error
    if not isinstance(entries, dict) or not entries:
        raise GymQAError(f"{path} is not a Gym-QA file: a JSON object of questions by id is expected")
    return entries


def _read_entry(path: Path, id: str, entry: Any, taxonomy: Taxonomy | None) -> BareQuestion:
    known = None if taxonomy is None else lambda name: bool(taxonomy.named(name))
    try:
        text, choices = split_choices(entry["question"], known)
        answer, clip_id = _letter_index(entry["answer"], len(choices)), entry["video"]
        video_id = parse_clip_id(clip_id).video_id
    except (KeyError, TypeError, ValueError, GymQAError) as error:
        reason = str(error) if isinstance(error, GymQAError) else f"its fields are not Gym-QA's ({error!r})"
        raise GymQAError(f"{path}: question {id}: {reason}") from error
    return BareQuestion(id, clip_id, video_id, text, choices, answer)


def _import(published: BareQuestion, entry: dict[str, Any], taxonomy: Taxonomy, labels: Mapping[str, int]) -> Question:
    if published.clip_id not in labels:
        raise GymQAError(f"clip {published.clip_id} is in no element list of {taxonomy.setting}")
    frames = entry.get("frame_length")
    if not isinstance(frames, int) or isinstance(frames, bool):
        raise GymQAError(f"frame_length is {frames!r}; a whole number is expected")
    element = taxonomy.elements[labels[published.clip_id]]
    meant = [_meant(choice, element, taxonomy) for choice in published.choices]
    return Question(
        id=published.id,
        clip_id=published.clip_id,
        video_id=published.video_id,
        text=published.text,
        choices=published.choices,
        answer=published.answer,
        tier="random",
        drawn_tier="random",
        choice_labels=tuple(meant),
        event=element.event,
        set_id=element.set_id,
        element=element.label,
        attributes=element.attributes,
        released=Released(str(entry.get("answer_type")), str(entry.get("dataset")), frames),
    )


def _meant(choice: str, element: Element, taxonomy: Taxonomy) -> int:
    named = taxonomy.named(choice) or [taxonomy.find(choice)]
    return element.label if element in named else named[0].label


def _export(question: Question, id: str) -> dict[str, Any]:
    extra = question.released
    values = {
        "answer": question.letter,
        "question": format_question(question),
        "answer_type": extra.answer_type if extra else "what",
        "question_id": id,
        "dataset": extra.dataset if extra else "finegym",
        "video": question.clip_id,
        "frame_length": extra.frame_length if extra else None,
    }
    return {name: values[name] for name in _FIELDS if values[name] is not None}


def _letter_index(letter: str, n_choices: int) -> int:
    if not isinstance(letter, str) or len(letter) != 1 or letter not in LETTERS[:n_choices]:
        raise ValueError(f"the answer {letter!r} is not a letter of {n_choices} choices")
    return LETTERS.index(letter)


def _first_reading(marks: list[re.Match[str]]) -> list[re.Match[str]]:
    """The first A, the first B after it, and so on."""
    chosen: list[re.Match[str]] = []
    for mark in marks:
        if len(chosen) < len(LETTERS) and mark[1] == LETTERS[len(chosen)]:
            chosen.append(mark)
    return chosen


def _known_reading(
    text: str, marks: list[re.Match[str]], known: Callable[[str], bool], chosen: list[re.Match[str]]
) -> list[re.Match[str]] | None:
    """Extend `chosen` so that every choice is a known name; None if that is impossible."""
    for index, mark in enumerate(marks):
        fits = len(chosen) < len(LETTERS) and mark[1] == LETTERS[len(chosen)]
        if fits and (not chosen or known(_between(text, chosen[-1], mark.start()))):
            found = _known_reading(text, marks[index + 1 :], known, [*chosen, mark])
            if found is not None:
                return found
    whole = len(chosen) >= 2 and known(_between(text, chosen[-1], len(text)))
    return chosen if whole else None


def _between(text: str, mark: re.Match[str], end: int) -> str:
    return " ".join(text[mark.end() : end].split())
