"""Which decision of its tree a clip is asked: so weighed that no question's text gives its answer away."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum, sqrt

from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import Element

ROUNDS = 20
Shares = dict[Attribute, float]


def decision_shares(elements: Sequence[Element], counts: Mapping[int, int]) -> dict[int, Shares]:
    """The decisions to ask of each element, by its label, each with its share of the element's clips.

    Within each set every question is answered by yes as often as by no, over clips as frequent as `counts` says and
    one more of each element; where the trees do not allow it, as nearly as they do. Decisions that all elements of a
    set answer alike are not asked. An element without others has none.

    This is iterative proportional fitting (Deming and Stephan, 1940). It adds, divides and takes roots only, which
    every platform rounds alike.

    Args:
        elements: of one setting.
        counts: clips by label; elements that are missing have none.
    """
    asked = _contested(elements)
    shares = {one.label: dict.fromkeys(asked[one.label], 1.0) for one in elements if asked[one.label]}
    clips = {one.label: counts.get(one.label, 0) + 1 for one in elements}
    sets = {one.label: one.set_id for one in elements}
    for _ in range(ROUNDS):
        answered: dict[tuple[int, Attribute], list[float]] = defaultdict(list)
        for label, own in shares.items():
            whole = fsum(own.values())
            for one, share in own.items():
                own[one] = share / whole
                answered[sets[label], one].append(own[one] * clips[label])
        total = {key: fsum(parts) for key, parts in answered.items()}
        for label, own in shares.items():
            for one in own:
                other = Attribute(one.question, not one.value)
                own[one] *= sqrt(total[sets[label], other] / total[sets[label], one])
    return shares


def _contested(elements: Iterable[Element]) -> dict[int, list[Attribute]]:
    """The decisions of each element that others of its set answer the other way."""
    answers = {(one.set_id, decision) for one in elements for decision in one.attributes}
    return {
        one.label: [a for a in one.attributes if (one.set_id, Attribute(a.question, not a.value)) in answers]
        for one in elements
    }
