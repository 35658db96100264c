"""Validate question files: repeated ids and choices, wrong answers, disagreement with FineGym's lists and trees."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gymqa.finegym.annotations import Release, open_release
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.questions.attributes import FACTS, facts
from gymqa.questions.files import read_questions
from gymqa.questions.released_json import read_published
from gymqa.questions.schema import BareQuestion, Question, flaw


def file_problems(
    file: Path, as_released: bool = False, finegym: Path | None = None, setting: str | None = None
) -> list[str]:
    """Problems of a question file of either format (.jsonl of gymqa, .json released), a sentence per question.

    With `finegym`, answers are compared with the element lists, names and decision trees there; a released file is
    assumed to be of gym99 if no setting is named. With `as_released`, repeated choices and wrong answers of released
    questions are accepted.

    Raises:
        GymQAError: a file is missing, or is not a question file.
    """
    if file.suffix != ".jsonl":
        release = None if finegym is None else open_release(finegym, setting or "gym99")
        return _published_problems(file, as_released, release)
    questions, problems = read_questions(file)
    problems += validate(questions, as_released)
    if problems or finegym is None:
        return problems
    release = open_release(finegym, setting)
    asked = (one for one in questions if not (as_released and one.released))
    return [f"{file}: {problem}" for problem in mismatches(asked, release.taxonomy, release.read_labels())]


def mismatches(questions: Iterable[Question], taxonomy: Taxonomy, labels: Mapping[str, int]) -> Iterator[str]:
    """Disagreements of questions with FineGym's files in a clip's element, a choice's name, a decision or a count.

    Args:
        questions: well-formed questions.
        taxonomy: taxonomy of their setting.
        labels: clip id -> class label.
    """
    found = ((one.id, _mismatch(one, taxonomy, labels)) for one in questions)
    return (f"question {id} {problem}" for id, problem in found if problem)


def _mismatch(question: Question, taxonomy: Taxonomy, labels: Mapping[str, int]) -> str | None:
    if question.element is None:
        return f"is of {question.benchmark}, which has no elements to compare; leave --finegym out"
    label = labels.get(question.clip_id)
    if label is None or label >= len(taxonomy) or max(question.choice_labels, default=0) >= len(taxonomy):
        return f"is about clip {question.clip_id}, or has labels, unknown to {taxonomy.setting}; name its own setting"
    element = taxonomy.elements[label]
    if question.element != label:
        return f"takes clip {question.clip_id} for element {question.element}; it is {label}, {element.display_name}"
    for choice, meant in zip(question.choices, question.choice_labels, strict=False):
        if taxonomy.elements[meant] not in taxonomy.named(choice):
            return f"calls element {meant} {choice!r}; it is {taxonomy.elements[meant].display_name!r}"
    if question.attributes != element.attributes:
        return f"has other decisions than the tree of {element.display_name!r}; build it again"
    if question.kind in FACTS:
        true = dict(facts(element, question.kind)).get(question.text)
        if question.choices[question.answer] != true:
            return f"has the answer {question.choices[question.answer]!r}, which is not true of its clip's element"
    return None


def _published_problems(file: Path, as_released: bool, release: Release | None) -> list[str]:
    if release is None:
        questions = read_published(file)
        return [] if as_released else [text for one in questions for text in _repeats(file, one)]
    taxonomy, labels = release.taxonomy, release.read_labels()
    questions = read_published(file, taxonomy)
    if as_released:
        return []
    wrong = (one for one in questions if not _is_true(one, taxonomy, labels))
    return [
        *(text for one in questions for text in _repeats(file, one)),
        *(f"{file}: question {one.id} has an answer which is not its clip's element; correct it" for one in wrong),
    ]


def _repeats(file: Path, question: BareQuestion) -> list[str]:
    return [
        f"{file}: question {question.id} offers the choice {choice!r} {count} times; replace the others"
        for choice, count in Counter(question.choices).items()
        if count > 1
    ]


def _is_true(question: BareQuestion, taxonomy: Taxonomy, labels: Mapping[str, int]) -> bool:
    named = taxonomy.named(question.choices[question.answer])
    return labels.get(question.clip_id) in [element.label for element in named]


def validate(questions: Iterable[Question], as_released: bool = False) -> list[str]:
    """Problems of a set of questions, a sentence each; a single question is checked by its constructor.

    Repeated choices and wrong answers of a released question are problems unless `as_released`.
    """
    asked = list(questions)
    counts = Counter(question.id for question in asked)
    repeated = {id: count for id, count in counts.items() if count > 1}
    problems = [
        f"question id {id} occurs {count} times; give each question its own id" for id, count in repeated.items()
    ]
    if not as_released:
        problems += [f"question {one.id} {found}" for one in asked if one.released and (found := flaw(one))]
    return problems
