"""Shortcut statistics of a question set: repeats, letter balance, accuracy of oracles and heuristics without video.

For Gym-QA's released JSON and gymqa's own question files.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release, read_element_list
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.files import load_questions
from gymqa.questions.released_json import read_published
from gymqa.questions.schema import LETTERS, BareQuestion, Question

_EVENT, _SET = attrgetter("event"), attrgetter("set_id")


@dataclass(frozen=True, slots=True)
class _Case:
    """A question prepared for the statistics.

    `truth` is the clip's element, None without a taxonomy; `meanings` are the elements that each choice may name, None
    if the choices are not elements (Yes, 2 turns).
    """

    asked: BareQuestion
    truth: Element | None
    meanings: tuple[list[Element], ...] | None


def released_stats(file: Path, finegym: Path, setting: str = "gym99") -> dict[str, Any]:
    """Statistics of a released JSON file; the true elements are those of FineGym's lists.

    Raises:
        GymQAError: a file is missing or malformed, or a clip is in none of the lists of the setting.
    """
    release = open_release(finegym, setting)
    return stats(read_published(file, release.taxonomy), release.taxonomy, release.read_labels())


def file_stats(
    file: Path, finegym: Path | None, setting: str | None = None, others: Sequence[Path] = ()
) -> dict[str, Any]:
    """Statistics of a question file of either format (.jsonl of gymqa, .json released).

    Without `finegym`, which only a .jsonl can do without, those that need the taxonomy are left out. `setting` may be
    omitted for a release that has only one; a released file is assumed to be of gym99. `others` are question files or
    element lists of other splits; with them, `video_overlap` is added (see there).

    Raises:
        GymQAError: as `released_stats`, or one of the others is missing or malformed.
    """
    if file.suffix == ".jsonl":
        asked = load_questions(file)
        found = stats(asked, None if finegym is None else open_release(finegym, setting).taxonomy)
        videos = [question.video_id for question in asked]
    elif finegym is None:
        raise GymQAError(f"{file} names elements; give FineGym's annotation files by --finegym")
    else:
        found = released_stats(file, finegym, setting or "gym99")
        videos = [question.video_id for question in read_published(file)]
    overlaps = {str(other): video_overlap(videos, videos_of(other)) for other in others}
    return {**found, "video_overlap": overlaps} if overlaps else found


def video_overlap(videos: Sequence[str], others: Iterable[str]) -> dict[str, Any]:
    """Number of videos shared with another split, and the fraction of the questions about them.

    Args:
        videos: video id of each question.
        others: video ids of the other split.
    """
    shared = set(videos) & set(others)
    return {"videos": len(shared), "of_questions": _mean(video in shared for video in videos)}


def videos_of(file: Path) -> list[str]:
    """Video ids of a question file (.jsonl of gymqa, .json released) or of an element list, per question or clip.

    Raises:
        GymQAError: the file is missing or malformed.
    """
    if file.suffix == ".jsonl":
        return [question.video_id for question in load_questions(file)]
    if file.suffix == ".json":
        return [question.video_id for question in read_published(file)]
    return [clip.video_id for clip in read_element_list(file)]


def stats(
    questions: Sequence[BareQuestion], taxonomy: Taxonomy | None = None, labels: dict[str, int] | None = None
) -> dict[str, Any]:
    """Counts and shortcut accuracies of a question set as JSON values; rates in [0, 1], to three decimals.

    An oracle knows the apparatus (event), the set, or the set and one decision of the clip's tree (attribute: averaged
    over the decisions) and guesses uniformly among the remaining choices; its expected accuracy is exact, not sampled.
    A name shared by two elements may mean either, so a choice remains if any element of its name fits; an element that
    is not asked the decision fits as well. Choices that are not elements all remain. A right answer that occurs twice
    counts for one of its letters only. `labels` (clip id -> label) are needed for released questions. Without a
    taxonomy, wrong_answers, the oracles, what no distractor has, and middle_choice are left out.

    Returns: n, videos, n_choices (the sizes that occur), letters (how often each is right), drawn_tiers (of gymqa's own
        questions: the lowest tier of their distractors), groups (minimal pairs), repeated_choices, repeated_answers
        (questions whose right choice occurs twice), wrong_answers (the right choice is not the clip's element),
        chance, oracle_event, oracle_set, oracle_attribute, no_distractor_of_event, no_distractor_of_set (fractions of
        the questions), and the accuracy of always choosing: longest_choice, letter_prior (the letter most often
        right), most_frequent_answer (the choice most often right for the same text), middle_choice (the one that is
        one decision apart from most of the others).

    Raises:
        GymQAError: there is no question, a clip has no label, or a choice names no element.
    """
    if not questions:
        raise GymQAError("there is no question to count; check that the file holds some")
    if taxonomy is None:
        cases = [_Case(question, None, None) for question in questions]
        return {**_counts(cases), **_blind_accuracies(cases)}
    cases = [_case(question, taxonomy, labels or {}) for question in questions]
    guesses, blind = _oracle_accuracies(cases, taxonomy), _blind_accuracies(cases)
    counts = {**_counts(cases), "wrong_answers": sum(map(_is_wrong, cases)), "chance": blind.pop("chance")}
    middle = {"middle_choice": _mean(_middle_choice(case, taxonomy) for case in cases)}
    return {**counts, **guesses, **blind, **middle}


def _counts(cases: Sequence[_Case]) -> dict[str, Any]:
    """Numbers of questions, videos, choices and repeats."""
    own = [case.asked for case in cases if isinstance(case.asked, Question)]
    letters = Counter(LETTERS[case.asked.answer] for case in cases)
    return {
        "n": len(cases),
        "videos": len({case.asked.video_id for case in cases}),
        "n_choices": sorted({len(case.asked.choices) for case in cases}),
        "letters": dict(sorted(letters.items())),
        "drawn_tiers": dict(sorted(Counter(question.drawn_tier for question in own if question.drawn_tier).items())),
        "groups": len({question.group for question in own} - {""}),
        "repeated_choices": sum(len(set(case.asked.choices)) < len(case.asked.choices) for case in cases),
        "repeated_answers": sum(case.asked.choices.count(case.asked.choices[case.asked.answer]) > 1 for case in cases),
    }


def _oracle_accuracies(cases: Sequence[_Case], taxonomy: Taxonomy) -> dict[str, float]:
    """Expected accuracies of the oracles, and how often no distractor is left for them."""
    events = [_choices_left(case, _EVENT) for case in cases]
    sets = [_choices_left(case, _SET) for case in cases]
    decisions = {one.label: {a.question: a.value for a in one.attributes} for one in taxonomy.elements}
    return {
        "oracle_event": _mean(1 / left for left in events),
        "oracle_set": _mean(1 / left for left in sets),
        "oracle_attribute": _mean(_oracle_attribute(case, decisions) for case in cases),
        "no_distractor_of_event": _mean(left == 1 for left in events),
        "no_distractor_of_set": _mean(left == 1 for left in sets),
    }


def _blind_accuracies(cases: Sequence[_Case]) -> dict[str, float]:
    """Expected accuracies of chance and of heuristics that use neither video nor taxonomy."""
    letters = Counter(case.asked.answer for case in cases)
    return {
        "chance": _mean(1 / len(case.asked.choices) for case in cases),
        "longest_choice": _mean(_choose_most(case, [len(choice) for choice in case.asked.choices]) for case in cases),
        "letter_prior": round(max(letters.values()) / len(cases), 3),
        "most_frequent_answer": _most_frequent_answer(cases),
    }


def _case(question: BareQuestion, taxonomy: Taxonomy, labels: dict[str, int]) -> _Case:
    if isinstance(question, Question):
        if question.element is None:
            raise GymQAError(
                f"question {question.id} is of {question.benchmark}, without elements; leave --finegym out"
            )
        beyond = max((question.element, *question.choice_labels)) >= len(taxonomy)
        if beyond or taxonomy.elements[question.element].set_id != question.set_id:
            raise GymQAError(f"question {question.id} is of another setting than {taxonomy.setting}; name its own")
        truth = taxonomy.elements[question.element]
        if question.released is None:
            meanings = tuple([taxonomy.elements[label]] for label in question.choice_labels)
            return _Case(question, truth, meanings or None)
    elif question.clip_id in labels:
        truth = taxonomy.elements[labels[question.clip_id]]
    else:
        raise GymQAError(f"question {question.id}: clip {question.clip_id} is in no element list of {taxonomy.setting}")
    return _Case(
        question, truth, tuple(taxonomy.named(choice) or [taxonomy.find(choice)] for choice in question.choices)
    )


def _is_wrong(case: _Case) -> bool:
    return case.meanings is not None and case.truth not in case.meanings[case.asked.answer]


def _choices_left(case: _Case, group: Callable[[Element], Any]) -> int:
    """Number of choices that an oracle of the clip's group cannot rule out; 1 if even the answer is wrong."""
    if case.meanings is None:
        return len(case.asked.choices)
    true = None if case.truth is None else group(case.truth)
    return max(1, sum(any(group(element) == true for element in meaning) for meaning in case.meanings))


def _oracle_attribute(case: _Case, decisions: dict[int, dict[str, bool]]) -> float:
    """Expected accuracy of an oracle of the set and one decision of the clip's element, averaged over the decisions."""
    if case.meanings is None or case.truth is None:
        return 1 / len(case.asked.choices)
    known, set_id = case.truth.attributes, case.truth.set_id
    if not known:
        return 1 / _choices_left(case, _SET)
    in_set = [[decisions[one.label] for one in meaning if one.set_id == set_id] for meaning in case.meanings]
    left = (
        sum(any(tree.get(one.question, one.value) is one.value for tree in trees) for trees in in_set) for one in known
    )
    return sum(1 / max(1, letters) for letters in left) / len(known)


def _choose_most(case: _Case, points: Sequence[float]) -> float:
    """Expected accuracy of taking the choice with the most points, uniformly among ties."""
    most = max(points)
    best = [index for index, value in enumerate(points) if value == most]
    return (case.asked.answer in best) / len(best)


def _most_frequent_answer(cases: Sequence[_Case]) -> float:
    right: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        right[case.asked.text][case.asked.choices[case.asked.answer]] += 1
    return _mean(
        _choose_most(case, [right[case.asked.text][choice] for choice in case.asked.choices]) for case in cases
    )


def _middle_choice(case: _Case, taxonomy: Taxonomy) -> float:
    if case.meanings is None:
        return 1 / len(case.asked.choices)
    meant = [meaning[0].label for meaning in case.meanings]
    near = [taxonomy.one_decision_apart(label) for label in meant]
    return _choose_most(case, [sum(other in ours for other in meant) for ours in near])


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 3)
