"""Build questions about an element's attributes: a yes/no decision of its tree, turns, saltos, direction, body shape.

Yes/no answers are balanced per question by iterative proportional fitting. Questions are seeded by clip id, kind and
seed alone. A clip has no question of a kind if its element does not determine the answer.
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
from gymqa.runtime.seeding import SeededRandom

COUNTING, DECISION = "counting", "decision"
TURNS_TEXT, SALTOS_TEXT = "How many turns or twists does this athlete make?", "How many saltos does this athlete make?"
TEXTS = {"direction": "In which direction does this athlete move?", "shape": "Which body shape does this athlete hold?"}
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
    """Build at most one question per clip, in the clips' order.

    Decisions are answered by Yes or No, for each question text equally often as far as the trees allow, for elements
    with the frequencies `counts` (label -> clips; by default equal). Questions of the other kinds draw wrong answers
    from the element's set; if these are too few, from its event, then from all elements (recorded in `drawn_tier`),
    and have fewer choices if the setting has no more values.

    Raises:
        GymQAError: an unknown kind, a wrong number of choices, a clip without a label of the taxonomy, or a taxonomy
            without decision trees if they are needed.
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
    """Question texts of a kind (counting, direction, shape) that an element determines, with the true answers."""
    if kind == COUNTING:
        numbers = ((TURNS_TEXT, movement.turns(element), "turn"), (SALTOS_TEXT, movement.saltos(element), "salto"))
        return [(text, _counted(number, what)) for text, number, what in numbers if number is not None]
    say: Callable[[Element], str | None] = {"direction": movement.direction, "shape": movement.body_shape}[kind]
    answer = say(element)
    return [] if answer is None else [(TEXTS[kind], answer)]


def yes_no(clip: Clip, element: Element, decision: Attribute, rng: SeededRandom, id: str, group: str = "") -> Question:
    """The yes/no question of a decision; `rng` shuffles Yes and No."""
    choices = tuple(rng.shuffled(("Yes", "No")))
    answer = choices.index("Yes" if decision.value else "No")
    return Question(
        id, clip.id, clip.video_id, decision.question, choices, answer, "attribute", "attribute", (),
        element.event, element.set_id, element.label, DECISION, element.attributes, group,
    )  # fmt: skip


class _Builder:
    """Builds one question at a time; caches answers per element, which depend on the label only."""

    def __init__(self, taxonomy: Taxonomy, kind: str, seed: int, n_choices: int, counts: Mapping[int, int]) -> None:
        self.taxonomy, self.kind, self.seed, self.n_choices = taxonomy, kind, seed, n_choices
        self._weights = decision_weights(taxonomy.elements, counts) if kind == DECISION else {}
        self.facts = cache(lambda label: facts(taxonomy.elements[label], kind))
        self.values = cache(self._values)

    def build(self, clip: Clip, label: int) -> Question | None:
        element, rng = self.taxonomy.elements[label], SeededRandom(clip.id, self.kind, self.seed)
        id = f"{self.kind}:{self.seed}:{clip.id}"
        if self.kind == DECISION:
            weights = self._weights.get(label)
            return yes_no(clip, element, rng.weighted(weights), rng, id) if weights else None
        fact = next(rng.shuffled(self.facts(label)), None)
        return None if fact is None else self._multiple_choice(clip, element, fact, rng, id)

    def _multiple_choice(self, clip: Clip, element: Element, fact: Fact, rng: SeededRandom, id: str) -> Question | None:
        text, answer = fact
        others: list[tuple[str, str]] = []  # tier, value
        for tier, values in self.values(element.label, text):
            others += [(tier, value) for value in rng.shuffled(values)]
        others = others[: self.n_choices - 1]
        if not others:
            return None
        choices = tuple(rng.shuffled([answer, *(value for _, value in others)]))
        return Question(
            id, clip.id, clip.video_id, text, choices, choices.index(answer), "set", others[-1][0], (),
            element.event, element.set_id, element.label, self.kind, element.attributes,
        )  # fmt: skip

    def _values(self, label: int, text: str) -> list[tuple[str, Sequence[str]]]:
        """Wrong answers to a text, grouped by the closest tier of an element that they are true of."""
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
Weights = dict[Attribute, float]


def decision_weights(elements: Sequence[Element], counts: Mapping[int, int]) -> dict[int, Weights]:
    """Sampling weights of each element's decisions, by label, that balance yes and no answers per question.

    Within each set every question is answered by yes as often as by no, weighted by `counts` plus one clip per element;
    if the trees do not allow that, as nearly as possible. Decisions that all elements of a set answer alike are not
    asked; an element without other decisions has none.

    Source: iterative proportional fitting (Deming and Stephan, 1940). It only adds, divides and takes square roots,
    which are rounded alike on every platform.

    Args:
        elements: elements of one setting.
        counts: clips by label; 0 for missing labels.
    """
    asked = _contested_decisions(elements)
    weights = {one.label: dict.fromkeys(asked[one.label], 1.0) for one in elements if asked[one.label]}
    clips = {one.label: counts.get(one.label, 0) + 1 for one in elements}
    sets = {one.label: one.set_id for one in elements}
    for _ in range(ROUNDS):
        answered: dict[tuple[int, Attribute], list[float]] = defaultdict(list)
        for label, own in weights.items():
            total_weight = fsum(own.values())
            for one, weight in own.items():
                own[one] = weight / total_weight
                answered[sets[label], one].append(own[one] * clips[label])
        total = {key: fsum(parts) for key, parts in answered.items()}
        for label, own in weights.items():
            for one in own:
                other = Attribute(one.question, not one.value)
                own[one] *= sqrt(total[sets[label], other] / total[sets[label], one])
    return weights


def _contested_decisions(elements: Iterable[Element]) -> dict[int, list[Attribute]]:
    """Each element's decisions that some other element of its set answers differently."""
    answers = {(one.set_id, decision) for one in elements for decision in one.attributes}
    return {
        one.label: [a for a in one.attributes if (one.set_id, Attribute(a.question, not a.value)) in answers]
        for one in elements
    }
