"""Questions about what makes an element: one decision of its tree (yes or no), its turns and saltos, direction, shape.

They are seeded as the others are, by clip id, kind and seed alone. A clip has no question of a kind where its
element leaves the answer open.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import fsum, sqrt

from gymqa.errors import GymQAError
from gymqa.finegym import element_names as movement
from gymqa.finegym.annotations import Clip
from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.distractors import label_of
from gymqa.questions.schema import KINDS, Question
from gymqa.runtime.seeding import Draws

COUNTING, DECISION = "counting", "decision"
TURNS_TEXT, SALTOS_TEXT = "How many turns or twists does this athlete make?", "How many saltos does this athlete make?"
TEXTS = {
    "direction": "In which direction does this athlete move?",
    "shape": "Which body shape does this athlete hold?",
}
FACTS = (COUNTING, *TEXTS)
"""Kinds of questions that an element's name answers."""
Fact = tuple[str, str]
"""A question's text and its true answer."""


def build_attribute_questions(
    clips: Iterable[Clip],
    taxonomy: Taxonomy,
    kind: str,
    seed: int = 0,
    n_choices: int = 4,
    counts: Mapping[int, int] | None = None,
) -> list[Question]:
    """At most one question a clip, in the clips' order.

    Decisions are answered by Yes or No, each text by both as often as the trees allow where elements are as frequent
    as `counts` says (label -> clips; by default all alike), see `gymqa.questions.attributes`. The other kinds offer the
    values that occur in the element's set; where these are too few, in its event, then anywhere (`drawn_tier` says
    so), and fewer choices where the setting has no more values.

    Raises:
        GymQAError: an unknown kind, too few choices, a clip without a label of the taxonomy, or a taxonomy without
            decision trees where they are needed.
    """
    if kind not in KINDS[1:]:
        raise GymQAError(f"there are no {kind!r} questions; choose one of {', '.join(KINDS[1:])}")
    if not 2 <= n_choices <= 26:
        raise GymQAError(f"questions can have 2 to 26 choices, not {n_choices}")
    if kind == DECISION and not any(element.attributes for element in taxonomy.elements):
        raise GymQAError(f"{taxonomy.setting} has no decision trees; add glabel_to_Qtree.json to its annotations")
    builder = _Builder(taxonomy, kind, seed, n_choices, counts or {})
    built = (builder.build(clip, label_of(clip, taxonomy)) for clip in clips)
    return [question for question in built if question is not None]


def facts(element: Element, kind: str) -> list[Fact]:
    """The questions of a kind (counting, direction, shape) that an element answers, with its answers."""
    if kind == COUNTING:
        numbers = ((TURNS_TEXT, movement.turns(element), "turn"), (SALTOS_TEXT, movement.saltos(element), "salto"))
        return [(text, _counted(number, what)) for text, number, what in numbers if number is not None]
    say: Callable[[Element], str | None] = {"direction": movement.direction, "shape": movement.body_shape}[kind]
    answer = say(element)
    return [] if answer is None else [(TEXTS[kind], answer)]


def yes_no(clip: Clip, element: Element, decision: Attribute, draws: Draws, id: str, group: str = "") -> Question:
    """The question whether a decision holds; `draws` sets the order of Yes and No."""
    choices = tuple(draws.shuffled(("Yes", "No")))
    answer = choices.index("Yes" if decision.value else "No")
    return Question(
        id, clip.id, clip.video_id, decision.question, choices, answer, "attribute", "attribute", (),
        element.event, element.set_id, element.label, DECISION, element.attributes, group,
    )  # fmt: skip


class _Builder:
    """Builds one question at a time; holds what elements answer, which depends on the label only."""

    def __init__(self, taxonomy: Taxonomy, kind: str, seed: int, n_choices: int, counts: Mapping[int, int]) -> None:
        self.taxonomy, self.kind, self.seed, self.n_choices = taxonomy, kind, seed, n_choices
        self._shares = decision_shares(taxonomy.elements, counts) if kind == DECISION else {}
        self.facts = cache(lambda label: facts(taxonomy.elements[label], kind))
        self.values = cache(self._values)

    def build(self, clip: Clip, label: int) -> Question | None:
        element, draws = self.taxonomy.elements[label], Draws(clip.id, self.kind, self.seed)
        id = f"{self.kind}:{self.seed}:{clip.id}"
        if self.kind == DECISION:
            shares = self._shares.get(label)
            return yes_no(clip, element, draws.weighted(shares), draws, id) if shares else None
        fact = next(draws.shuffled(self.facts(label)), None)
        return None if fact is None else self._multiple_choice(clip, element, fact, draws, id)

    def _multiple_choice(self, clip: Clip, element: Element, fact: Fact, draws: Draws, id: str) -> Question | None:
        text, answer = fact
        others: list[tuple[str, str]] = []  # tier, value
        for tier, values in self.values(element.label, text):
            others += [(tier, value) for value in draws.shuffled(values)]
        others = others[: self.n_choices - 1]
        if not others:
            return None
        choices = tuple(draws.shuffled([answer, *(value for _, value in others)]))
        return Question(
            id, clip.id, clip.video_id, text, choices, choices.index(answer), "set", others[-1][0], (),
            element.event, element.set_id, element.label, self.kind, element.attributes,
        )  # fmt: skip

    def _values(self, label: int, text: str) -> list[tuple[str, Sequence[str]]]:
        """The wrong answers to a text that other elements give, by the tier of the nearest that does."""
        own = dict(self.facts(label))[text]
        tiers: dict[str, str] = {}  # value -> tier, nearest first
        near = [("set", self.taxonomy.same_set(label)), ("event", self.taxonomy.same_event(label))]
        for tier, pool in [*near, ("random", self.taxonomy.elements)]:
            for other in pool:
                for asked, value in self.facts(other.label):
                    if asked == text and (value in movement.FLIGHTS) == (own in movement.FLIGHTS):
                        tiers.setdefault(value, tier)
        tiers.pop(own, None)
        found: dict[str, list[str]] = defaultdict(list)
        for value, tier in sorted(tiers.items()):
            found[tier].append(value)
        return [(tier, found[tier]) for tier in ("set", "event", "random")]


def _counted(number: float, what: str) -> str:
    return f"{number:g} {what}{'s' if number > 1 else ''}" if number else f"no {what}"


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
