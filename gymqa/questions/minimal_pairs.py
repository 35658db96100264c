"""Minimal pairs: one question about two clips whose answers differ, so that nobody is right twice without looking.

The two clips show elements one decision apart, and the question is that decision; or direction twins with no such
decision between them, and the question is which of the two it is. Text, choices and their order are the same in both
questions of a pair: whoever always says the same gets exactly one right, and the pair counts only if both are.
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
"""Label and video; the video is empty for the clips of all videos."""


def build_minimal_pairs(clips: Iterable[Clip], taxonomy: Taxonomy, seed: int = 0) -> list[Question]:
    """Two questions a pair, one after the other, in the order of the clips; a clip has a pair where there is a partner.

    A clip's partner is the next clip of a neighbouring element on a ring of hashes, of the same video where there is
    one: then athlete, hall and camera are the same as well. So adding clips changes no pair of others, but an added
    clip may take the place of a partner.

    Raises:
        GymQAError: a clip without a label of the taxonomy.
    """
    pairing = _Pairing(clips, taxonomy, seed)
    return [question for first, second in pairing.pairs() for question in pairing.questions(first, second)]


class _Pairing:
    """The clips on their rings, one ring an element, and one an element and video."""

    def __init__(self, clips: Iterable[Clip], taxonomy: Taxonomy, seed: int) -> None:
        self.clips, self.taxonomy, self.seed = list(clips), taxonomy, seed
        self.labels = {clip.id: label_of(clip, taxonomy) for clip in self.clips}
        self.places = {clip.id: hash_key(clip.id, MINIMAL_PAIRS, seed) for clip in self.clips}
        self.rings: dict[Key, list[Clip]] = defaultdict(list)
        for clip in sorted(self.clips, key=lambda one: self.places[one.id]):
            self.rings[self.labels[clip.id], clip.video_id].append(clip)
            self.rings[self.labels[clip.id], ""].append(clip)
        self.ring_places = {key: [self.places[clip.id] for clip in ring] for key, ring in self.rings.items()}

    def pairs(self) -> Iterator[tuple[Clip, Clip]]:
        """Every clip with its partner, by id; two clips that choose each other once."""
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
        """The pair's question, asked of both."""
        group = f"{MINIMAL_PAIRS}:{self.seed}:{first.id}+{second.id}"
        elements = [self.taxonomy.elements[self.labels[clip.id]] for clip in (first, second)]
        decision = self.taxonomy.one_decision_apart(elements[0].label).get(elements[1].label)
        asked = []
        for clip, element in zip((first, second), elements, strict=True):
            id, draws = f"{group}:{clip.id}", SeededRandom(group)
            if decision is None:
                asked.append(_which_twin(clip, element, elements, draws, id, group))
            else:
                (held,) = (one for one in element.attributes if one.question == decision)
                asked.append(yes_no(clip, element, Attribute(decision, held.value), draws, id, group))
        return asked[0], asked[1]

    def _partner(self, clip: Clip) -> Clip | None:
        """The clip that follows on the ring of the first neighbouring element that has one, in the clip's own order."""
        label = self.labels[clip.id]
        twin = self.taxonomy.twin(label)
        near = dict.fromkeys([*self.taxonomy.one_decision_apart(label), *([twin.label] if twin else [])])
        order = list(SeededRandom(clip.id, MINIMAL_PAIRS, self.seed).shuffled(list(near)))
        for video in (clip.video_id, ""):
            for other in order:
                if (other, video) in self.rings:
                    ring, places = self.rings[other, video], self.ring_places[other, video]
                    return ring[bisect_right(places, self.places[clip.id]) % len(ring)]
        return None


def _which_twin(
    clip: Clip, element: Element, twins: list[Element], draws: SeededRandom, id: str, group: str
) -> Question:
    """The question which of the two elements a clip shows."""
    choices = list(draws.shuffled(twins))
    names, labels = tuple(one.display_name for one in choices), tuple(one.label for one in choices)
    return Question(
        id, clip.id, clip.video_id, QUESTION_TEXT, names, choices.index(element), "twin", "twin", labels,
        element.event, element.set_id, element.label, "element", element.attributes, group,
    )  # fmt: skip
