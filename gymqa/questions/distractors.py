"""Build element questions from labelled clips; sample their distractors (wrong choices) by benchmark.

Gym-QA samples distractors from all elements, as released; Gym-QA-Hard from the element's set; Gym-New includes the
direction twin; `event` samples from the apparatus, `attribute` from the elements that differ in one decision. Sampling
is seeded by clip id, benchmark and seed, so that adding clips changes no other question; the letter of the right
answer is uniformly random.
"""

from collections.abc import Iterable, Iterator

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.schema import ELEMENT_BENCHMARKS, LETTERS, QUESTION_TEXT, TIERS, Question
from gymqa.runtime.registry import require_known
from gymqa.runtime.seeding import SeededRandom

Distractor = tuple[str, Element]
"""Tier and element of a wrong choice."""


def build_questions(
    clips: Iterable[Clip], taxonomy: Taxonomy, benchmark: str, seed: int = 0, n_choices: int = 4
) -> list[Question]:
    """Build one question per clip, in the clips' order; for gym-new only if the clip's element has a direction twin.

    Choices are display names, and no two of them share a plain name. If a tier has too few elements, or decision trees
    are missing, the remaining distractors come from the next tier (set, event, random), recorded in `drawn_tier`.

    Raises:
        GymQAError: an unknown benchmark, a clip without a label of the taxonomy, or too few elements for n_choices.
    """
    require_known("benchmark", benchmark, ELEMENT_BENCHMARKS, "gymqa list benchmarks")
    names = len({element.name for element in taxonomy.elements})
    if not 2 <= n_choices <= min(names, len(LETTERS)):
        most = min(names, len(LETTERS))
        raise GymQAError(f"questions of {taxonomy.setting} can have 2 to {most} choices, not {n_choices}")
    builder = _Builder(taxonomy, benchmark, seed, n_choices)
    labelled = ((clip, label_of(clip, taxonomy)) for clip in clips)
    return [builder.build(clip, label) for clip, label in labelled if builder.has_question(label)]


class _Builder:
    """Builds one question at a time; caches the pools of distractors, which depend on the label only."""

    def __init__(self, taxonomy: Taxonomy, benchmark: str, seed: int, n_choices: int) -> None:
        self.taxonomy, self.benchmark, self.seed, self.n_choices = taxonomy, benchmark, seed, n_choices
        self.tier = ELEMENT_BENCHMARKS[benchmark]
        self._pools: dict[int, list[tuple[str, list[Element]]]] = {}
        self._pairs: dict[int, list[list[tuple[Element, Element]]]] = {}

    def has_question(self, label: int) -> bool:
        return self.tier != "twin" or self.taxonomy.twin(label) is not None

    def build(self, clip: Clip, label: int) -> Question:
        element = self.taxonomy.elements[label]
        rng = SeededRandom(clip.id, self.benchmark, self.seed)
        distractors = self._choose(element, rng)
        choices = list(rng.shuffled([element, *(other for _, other in distractors)]))
        return Question(
            id=f"{self.benchmark}:{self.seed}:{clip.id}",
            clip_id=clip.id,
            video_id=clip.video_id,
            text=QUESTION_TEXT,
            choices=tuple(choice.display_name for choice in choices),
            answer=choices.index(element),
            tier=self.tier,
            drawn_tier=max((tier for tier, _ in distractors), key=TIERS.index),
            choice_labels=tuple(choice.label for choice in choices),
            event=element.event,
            set_id=element.set_id,
            element=label,
            attributes=element.attributes,
        )

    def _choose(self, element: Element, rng: SeededRandom) -> list[Distractor]:
        """The first n_choices - 1 candidates with distinct names."""
        chosen: list[Distractor] = []
        names = {element.name}
        for tier, other in self._candidates(element, rng):
            if other.name not in names:
                names.add(other.name)
                chosen.append((tier, other))
            if len(chosen) == self.n_choices - 1:
                break
        return chosen

    def _candidates(self, element: Element, rng: SeededRandom) -> Iterator[Distractor]:
        if self.tier == "twin":
            yield from self._twins(element, rng)
        if self.tier == "attribute":
            yield from self._neighbours(element, rng)
        for tier, pool in self._tiers(element):
            for other in rng.shuffled(pool):
                yield tier, other

    def _twins(self, element: Element, rng: SeededRandom) -> Iterator[Distractor]:
        """The twin, then complete pairs of twins of the same event, those of the same set first.

        Among single elements the only pair would reveal itself: half of the guesses right without the video.
        """
        twin = self.taxonomy.twin(element.label)
        if twin is not None:
            yield "twin", twin
        n_open = self.n_choices - 2
        for pairs in self._pairs_near(element):
            for pair in rng.shuffled(pairs):
                if n_open < 2:
                    return
                n_open -= 2
                yield from (("twin", other) for other in pair)

    def _neighbours(self, element: Element, rng: SeededRandom) -> Iterator[Distractor]:
        """The elements one decision apart; those that are also one decision apart from each other come first.

        If only the right element were close to all others, being in the middle would reveal it without the video.
        """
        apart = self.taxonomy.one_decision_apart
        left = list(rng.shuffled([self.taxonomy.elements[label] for label in apart(element.label)]))
        ties = dict.fromkeys((other.label for other in left), 0)
        while left:
            other = max(left, key=lambda one: ties[one.label])
            left.remove(other)
            yield "attribute", other
            for label in apart(other.label).keys() & ties.keys():
                ties[label] += 1

    def _pairs_near(self, element: Element) -> list[list[tuple[Element, Element]]]:
        """The other twin pairs of the element's event: those with a member in its set, then those without."""
        if element.label not in self._pairs:
            twin = self.taxonomy.twin
            near = [(other, twin(other.label)) for other in self.taxonomy.same_event(element.label)]
            pairs = [(a, b) for a, b in near if b is not None and a.label < b.label and element not in (a, b)]
            in_set = [pair for pair in pairs if element.set_id in (pair[0].set_id, pair[1].set_id)]
            self._pairs[element.label] = [in_set, [pair for pair in pairs if pair not in in_set]]
        return self._pairs[element.label]

    def _tiers(self, element: Element) -> list[tuple[str, list[Element]]]:
        """The pools to sample single elements from, in order; an element is in the first it belongs to."""
        if element.label not in self._pools:
            others = [other for other in self.taxonomy.elements if other.label != element.label]
            elsewhere = [other for other in others if other.event != element.event]
            in_event = [other for other in others if other.event == element.event]
            pools = [("random", others)]
            if self.tier == "event":
                pools = [("event", in_event), ("random", elsewhere)]
            elif self.tier != "random":
                in_set = [other for other in in_event if other.set_id == element.set_id]
                beyond = [other for other in in_event if other.set_id != element.set_id]
                pools = [("set", in_set), ("event", beyond), ("random", elsewhere)]
            self._pools[element.label] = pools
        return self._pools[element.label]


def label_of(clip: Clip, taxonomy: Taxonomy) -> int:
    """The clip's label, checked.

    Raises:
        GymQAError: the clip is unlabelled, or the label is not in the taxonomy.
    """
    if clip.label is None:
        raise GymQAError(f"clip {clip.id} is unlabelled; questions need its element")
    if not 0 <= clip.label < len(taxonomy):
        raise GymQAError(f"clip {clip.id} has label {clip.label}; {taxonomy.setting} has 0 to {len(taxonomy) - 1}")
    return clip.label
