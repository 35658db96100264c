"""Build minimal pairs: the same question about two clips with different answers, both of which must be right.

The two clips show elements one decision apart, and the question is that decision; or direction twins without such a
decision, and the question is which of the two it is. Text, choices and their order are the same in both questions of a
pair: a constant answer gets exactly one right, and a pair counts only if both are.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

from gymqa.finegym.annotations import Clip
from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.attributes import yes_no
from gymqa.questions.distractors import label_of
from gymqa.questions.schema import MINIMAL_PAIRS, QUESTION_TEXT, Question
from gymqa.runtime.seeding import SeededRandom, hash_key

Key = tuple[int, str]
"""Label and video id; an empty video id stands for the clips of all videos."""


def build_minimal_pairs(clips: Iterable[Clip], taxonomy: Taxonomy, seed: int = 0) -> list[Question]:
    """Two consecutive questions per pair, in the order of the clips; clips without a partner have none.

    A clip's partner is the next clip of a neighbouring element on a hash ring (consistent hashing), from the same video
    if possible, so that athlete, hall and camera are the same. Adding clips changes no other pair, except that an added
    clip may replace a partner.

    Raises:
        GymQAError: a clip without a label of the taxonomy.
    """
    pairing = _Pairing(clips, taxonomy, seed)
    return [question for first, second in pairing.pairs() for question in pairing.questions(first, second)]


class _Pairing:
    """Hash rings of the clips: one per element, and one per element and video."""

    def __init__(self, clips: Iterable[Clip], taxonomy: Taxonomy, seed: int) -> None:
        self.clips, self.taxonomy, self.seed = list(clips), taxonomy, seed
        self.labels = {clip.id: label_of(clip, taxonomy) for clip in self.clips}
        self.positions = {clip.id: hash_key(clip.id, MINIMAL_PAIRS, seed) for clip in self.clips}
        self.rings: dict[Key, list[Clip]] = defaultdict(list)
        for clip in sorted(self.clips, key=lambda one: self.positions[one.id]):
            self.rings[self.labels[clip.id], clip.video_id].append(clip)
            self.rings[self.labels[clip.id], ""].append(clip)
        self.ring_positions = {key: [self.positions[clip.id] for clip in ring] for key, ring in self.rings.items()}

    def pairs(self) -> Iterator[tuple[Clip, Clip]]:
        """Every clip with its partner, ordered by id; a pair that both clips choose is yielded once."""
        seen = set()
        for clip in self.clips:
            partner = self._partner(clip)
            if partner is None:
                continue
            first, second = sorted((clip, partner), key=lambda one: one.id)
            if (first.id, second.id) not in seen:
                seen.add((first.id, second.id))
                yield first, second

    def questions(self, first: Clip, second: Clip) -> tuple[Question, Question]:
        """The pair's question for both clips."""
        group = f"{MINIMAL_PAIRS}:{self.seed}:{first.id}+{second.id}"
        elements = [self.taxonomy.elements[self.labels[clip.id]] for clip in (first, second)]
        decision = self.taxonomy.one_decision_apart(elements[0].label).get(elements[1].label)
        questions = []
        for clip, element in zip((first, second), elements, strict=True):
            id, rng = f"{group}:{clip.id}", SeededRandom(group)
            if decision is None:
                questions.append(_which_twin(clip, element, elements, rng, id, group))
            else:
                (attribute,) = (one for one in element.attributes if one.question == decision)
                questions.append(yes_no(clip, element, Attribute(decision, attribute.value), rng, id, group))
        return questions[0], questions[1]

    def _partner(self, clip: Clip) -> Clip | None:
        """The next clip on the ring of a neighbouring element, tried in random order seeded by the clip."""
        label = self.labels[clip.id]
        twin = self.taxonomy.twin(label)
        near = dict.fromkeys([*self.taxonomy.one_decision_apart(label), *([twin.label] if twin else [])])
        order = list(SeededRandom(clip.id, MINIMAL_PAIRS, self.seed).shuffled(list(near)))
        for video in (clip.video_id, ""):
            for other in order:
                if (other, video) in self.rings:
                    ring, positions = self.rings[other, video], self.ring_positions[other, video]
                    return ring[bisect_right(positions, self.positions[clip.id]) % len(ring)]
        return None


def _which_twin(clip: Clip, element: Element, twins: list[Element], rng: SeededRandom, id: str, group: str) -> Question:
    """The question which of the two elements a clip shows."""
    choices = list(rng.shuffled(twins))
    names, labels = tuple(one.display_name for one in choices), tuple(one.label for one in choices)
    return Question(
        id, clip.id, clip.video_id, QUESTION_TEXT, names, choices.index(element), "twin", "twin", labels,
        element.event, element.set_id, element.label, "element", element.attributes, group,
    )  # fmt: skip
