"""What a question set gives away: repeats, letters, and what guessing from the apparatus, the set or a decision scores.

It reads Gym-QA's released JSON, and our own question files as well.
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
    """A question as the statistics see it.

    `meanings` are the elements that each choice may name; None where the choices are no elements (Yes, 2 turns).
    """

    asked: BareQuestion
    truth: Element
    meanings: tuple[list[Element], ...] | None


def released_stats(file: Path, finegym: Path, setting: str = "gym99") -> dict[str, Any]:
    """The statistics of a released JSON file; the right elements are those of FineGym's own lists.

    Raises:
        GymQAError: a file is missing or wrong, or a clip is in none of the lists of the setting.
    """
    release = open_release(finegym, setting)
    return stats(read_published(file, release.taxonomy), release.taxonomy, release.read_labels())


def file_stats(file: Path, finegym: Path, setting: str | None = None, others: Sequence[Path] = ()) -> dict[str, Any]:
    """The statistics of either kind of file: our own question files end in .jsonl, the released ones in .json.

    `setting` may be left out for a release that has only one; a released file is taken to be of gym99. `others` are
    question files or element lists of other splits; with them, `video_overlap` is added (see there).

    Raises:
        GymQAError: as `released_stats`, or one of the others is missing or wrong.
    """
    if file.suffix == ".jsonl":
        asked = load_questions(file)
        found = stats(asked, open_release(finegym, setting).taxonomy)
        videos = [question.video_id for question in asked]
    else:
        found = released_stats(file, finegym, setting or "gym99")
        videos = [question.video_id for question in read_published(file)]
    overlaps = {str(other): video_overlap(videos, videos_of(other)) for other in others}
    return {**found, "video_overlap": overlaps} if overlaps else found


def video_overlap(videos: Sequence[str], others: Iterable[str]) -> dict[str, Any]:
    """How many of the videos another split has as well, and the share of the questions asked about them.

    Args:
        videos: the video of each question.
        others: the other split's videos.
    """
    shared = set(videos) & set(others)
    return {"videos": len(shared), "of_questions": _mean(video in shared for video in videos)}


def videos_of(file: Path) -> list[str]:
    """The videos of a question file (.jsonl ours, .json released) or of an element list, one a question or clip.

    Raises:
        GymQAError: the file is missing or wrong.
    """
    if file.suffix == ".jsonl":
        return [question.video_id for question in load_questions(file)]
    if file.suffix == ".json":
        return [question.video_id for question in read_published(file)]
    return [clip.video_id for clip in read_element_list(file)]


def stats(
    questions: Sequence[BareQuestion],
    taxonomy: Taxonomy,
    labels: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Counts and shortcuts of a question set, fit for JSON; rates in [0, 1], to three decimals.

    The oracles know the apparatus (event), the set, or the set and one decision of the clip's tree (attribute: each
    decision in turn) and nothing else, and guess evenly among the letters left: expected accuracy, no draw. A name
    that two elements share may mean either, so a letter stays when any element of its name fits; an element that a
    decision was never asked of fits as well. Choices that are no elements all stay. A right answer that stands twice
    counts for one of its letters only, as scored by letter. `labels` (clip id -> label) are needed for published
    questions.

    Returns: n, videos, n_choices (the sizes that occur), letters (how often each is right), drawn_tiers (of our own
        questions: the lowest tier of their distractors), groups (minimal pairs), repeated_choices, repeated_answers
        (questions whose right choice stands twice), wrong_answers (the right choice is not the clip's element),
        chance, oracle_event, oracle_set, oracle_attribute, no_distractor_of_event, no_distractor_of_set (shares of
        the questions), and what it scores to take always: longest_choice, letter_prior (the letter most often right),
        most_frequent_answer (the choice most often right here, for the same text), middle_choice (the one that
        differs in one decision from most of the others).

    Raises:
        GymQAError: no question, a clip without a label, or a choice that no element is named.
    """
    if not questions:
        raise GymQAError("there is no question to count; check that the file holds some")
    cases = [_case(question, taxonomy, labels or {}) for question in questions]
    own = [question for question in questions if isinstance(question, Question)]
    letters = Counter(LETTERS[case.asked.answer] for case in cases)
    events = [_left(case, _EVENT) for case in cases]
    sets = [_left(case, _SET) for case in cases]
    decisions = {one.label: {a.question: a.value for a in one.attributes} for one in taxonomy.elements}
    return {
        "n": len(cases),
        "videos": len({case.asked.video_id for case in cases}),
        "n_choices": sorted({len(case.asked.choices) for case in cases}),
        "letters": dict(sorted(letters.items())),
        "drawn_tiers": dict(sorted(Counter(question.drawn_tier for question in own).items())),
        "groups": len({question.group for question in own} - {""}),
        "repeated_choices": sum(len(set(case.asked.choices)) < len(case.asked.choices) for case in cases),
        "repeated_answers": sum(case.asked.choices.count(case.asked.choices[case.asked.answer]) > 1 for case in cases),
        "wrong_answers": sum(map(_is_wrong, cases)),
        "chance": _mean(1 / len(case.asked.choices) for case in cases),
        "oracle_event": _mean(1 / left for left in events),
        "oracle_set": _mean(1 / left for left in sets),
        "oracle_attribute": _mean(_one_decision(case, decisions) for case in cases),
        "no_distractor_of_event": _mean(left == 1 for left in events),
        "no_distractor_of_set": _mean(left == 1 for left in sets),
        "longest_choice": _mean(_best(case, [len(choice) for choice in case.asked.choices]) for case in cases),
        "letter_prior": round(max(letters.values()) / len(cases), 3),
        "most_frequent_answer": _most_frequent(cases),
        "middle_choice": _mean(_middle(case, taxonomy) for case in cases),
    }


def _case(question: BareQuestion, taxonomy: Taxonomy, labels: dict[str, int]) -> _Case:
    if isinstance(question, Question):
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


def _left(case: _Case, group: Callable[[Element], Any]) -> int:
    """How many letters an oracle that knows the clip's group cannot rule out; 1 where even the answer is wrong."""
    if case.meanings is None:
        return len(case.asked.choices)
    true = group(case.truth)
    return max(1, sum(any(group(element) == true for element in meaning) for meaning in case.meanings))


def _one_decision(case: _Case, decisions: dict[int, dict[str, bool]]) -> float:
    """Expected accuracy of knowing the set and one decision of the clip's element, averaged over the decisions."""
    if case.meanings is None:
        return 1 / len(case.asked.choices)
    known, place = case.truth.attributes, case.truth.set_id
    if not known:
        return 1 / _left(case, _SET)
    in_set = [[decisions[one.label] for one in meaning if one.set_id == place] for meaning in case.meanings]
    left = (
        sum(any(tree.get(one.question, one.value) is one.value for tree in trees) for trees in in_set) for one in known
    )
    return sum(1 / max(1, letters) for letters in left) / len(known)


def _best(case: _Case, points: Sequence[float]) -> float:
    """Expected accuracy of taking the choice with the most points, evenly among equals."""
    most = max(points)
    best = [index for index, value in enumerate(points) if value == most]
    return (case.asked.answer in best) / len(best)


def _most_frequent(cases: Sequence[_Case]) -> float:
    right: dict[str, Counter[str]] = defaultdict(Counter)
    for case in cases:
        right[case.asked.text][case.asked.choices[case.asked.answer]] += 1
    return _mean(_best(case, [right[case.asked.text][choice] for choice in case.asked.choices]) for case in cases)


def _middle(case: _Case, taxonomy: Taxonomy) -> float:
    if case.meanings is None:
        return 1 / len(case.asked.choices)
    meant = [meaning[0].label for meaning in case.meanings]
    near = [taxonomy.one_decision_apart(label) for label in meant]
    return _best(case, [sum(other in ours for other in meant) for ours in near])


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return round(sum(numbers) / len(numbers), 3)
