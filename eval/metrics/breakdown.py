"""Accuracy breakdown by facet of the question: event, set, element, movement, tier, task, length; with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eval.metrics.minimal_pairs import group_points
from eval.stats.bootstrap import FloatArray, Interval, slice_intervals
from gymqa.errors import GymQAError
from gymqa.finegym.element_names import body_shape, direction, saltos, turns
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.schema import Question

FACETS = ("event", "set", "element", "turns", "direction", "body_shape", "saltos", "tier", "task", "length")
LENGTH_BINS = 4

_MOVEMENT: dict[str, Callable[[Element], object]] = {
    "turns": turns, "direction": direction, "body_shape": body_shape, "saltos": saltos,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slice:
    """The questions that share a value of a facet: how many, and the accuracy with its 95 % interval."""

    facet: str
    value: str
    n: int
    interval: Interval


def breakdown(
    questions: Sequence[Question],
    points: Sequence[float] | FloatArray,
    lengths: Mapping[str, float] | None = None,
    taxonomy: Taxonomy | None = None,
    facets: Sequence[str] = FACETS,
) -> list[Slice]:
    """Accuracy within each value of each facet, in the order of the facets; values in numeric order, or by name.

    A question of a minimal pair has its pair's score. A question without a value of a facet (its element's name leaves
    the movement open, its clip has no length) is in none of the facet's slices.

    Args:
        questions: [n].
        points: [n] in [0, 1].
        lengths: clip id -> length in any unit, binned at the quartiles of the questions' clips.
        taxonomy: of the questions' setting; without it elements are named by the right choice, so questions that ask
            for something else are in no slice of element and movement.
        facets: some of FACETS.

    Raises:
        GymQAError: the taxonomy is of another setting.
        ValueError: points and questions differ in number, or an unknown facet.
    """
    if len(points) != len(questions):
        raise ValueError(f"{len(points)} points for {len(questions)} questions")
    if unknown := set(facets) - set(FACETS):
        raise ValueError(f"there is no facet {', '.join(sorted(unknown))}; use {', '.join(FACETS)}")
    if not questions:
        return []
    members: dict[tuple[str, str], list[int]] = {}
    for facet in facets:
        values = facet_values(facet, questions, lengths, taxonomy)
        found: dict[str, list[int]] = {}
        for index, value in enumerate(values):
            if value is not None:
                found.setdefault(value, []).append(index)
        members.update(((facet, value), found[value]) for value in sorted(found, key=_order))
    inside = np.zeros((len(questions), len(members)))  # [n, K]
    for column, indices in enumerate(members.values()):
        inside[indices, column] = 1.0
    videos = [question.video_id for question in questions]
    intervals = slice_intervals(group_points(questions, points), inside, videos)
    return [Slice(*key, len(indices), one) for (key, indices), one in zip(members.items(), intervals, strict=True)]


def facet_values(
    facet: str,
    questions: Sequence[Question],
    lengths: Mapping[str, float] | None = None,
    taxonomy: Taxonomy | None = None,
) -> list[str | None]:
    """The value of a facet for each question; None where it has none."""
    if facet == "event":
        return [question.event or None for question in questions]
    if facet == "set":
        names = {one.id: one.name for one in taxonomy.sets} if taxonomy else {}
        ids = [question.set_id for question in questions]
        return [None if one is None else names.get(one, str(one)) for one in ids]
    if facet == "tier":
        return [question.drawn_tier if question.kind == "element" else None for question in questions]
    if facet == "task":
        return [question.task or None for question in questions]
    if facet == "length":
        return _length_bins(questions, lengths or {})
    elements: dict[int, Element] = {}
    for question in questions:
        if question.element is not None and (taxonomy is not None or question.kind == "element"):
            elements[question.element] = _element(question, question.element, taxonomy)
    known = {label: _value(facet, one) for label, one in elements.items()}
    open_kinds = taxonomy is not None
    return [
        known[one.element] if one.element is not None and (open_kinds or one.kind == "element") else None
        for one in questions
    ]


def _value(facet: str, element: Element) -> str | None:
    """The value of a facet that depends on the element alone."""
    if facet == "element":
        return element.display_name
    found = _MOVEMENT[facet](element)
    if found is None:
        return None
    return f"{found:g}" if isinstance(found, float) else str(found)


def _element(question: Question, label: int, taxonomy: Taxonomy | None) -> Element:
    """The element shown by the question's clip; named by its right choice where there is no taxonomy."""
    if taxonomy is None:
        name = question.choices[question.answer]
        return Element(label, -1, question.set_id or 0, question.event, name, name, question.attributes)
    found = taxonomy.elements[label] if label < len(taxonomy) else None
    if found is None or found.set_id != question.set_id:
        raise GymQAError(f"question {question.id} is of another setting than {taxonomy.setting}; name its own")
    return found


def _length_bins(questions: Sequence[Question], lengths: Mapping[str, float]) -> list[str | None]:
    """Quartile bin of each clip's length, named by its ends."""
    known = np.array([lengths.get(question.clip_id, np.nan) for question in questions], dtype=np.float64)
    if np.isnan(known).all():
        return [None] * len(questions)
    edges = np.unique(np.nanquantile(known, np.linspace(0, 1, LENGTH_BINS + 1)))
    bins = np.clip(np.searchsorted(edges, known, side="left") - 1, 0, max(0, len(edges) - 2))
    names = [f"{low:g}–{high:g}" for low, high in pairwise(edges)] or [f"{edges[0]:g}"]
    return [None if np.isnan(length) else names[bin] for length, bin in zip(known, bins, strict=True)]


def _order(value: str) -> tuple[float, str]:
    """Sort key: numbers and ranges by their first number, before words."""
    first = value.split("–")[0]
    return (float(first), value) if first.replace(".", "", 1).isdigit() else (float("inf"), value)
