"""Questions to ask models in tests."""

from gymqa.finegym.taxonomy import Element, Set, Taxonomy
from gymqa.questions.minimal_pairs import build_minimal_pairs
from gymqa.questions.schema import Question
from tests.helpers.gymsim_taxonomy import GYMSIM, clip


def question(id: str, labels: tuple[int, ...], answer: int, clip: str = "clip") -> Question:
    right = TAXONOMY.elements[labels[answer]]
    return Question(
        id, clip, f"video-{clip}", "Which?", tuple(f"move {label}" for label in labels), answer, "random", "random",
        labels, right.event, right.set_id, right.label,
    )  # fmt: skip


def element(label: int, event: str, set_id: int) -> Element:
    return Element(label, label, set_id, event, f"move {label}", f"move {label}", ())


TAXONOMY = Taxonomy(
    "tiny",
    (element(0, "FX", 21), element(1, "FX", 21), element(2, "FX", 22), element(3, "UB", 41), element(4, "BB", 31)),
    (Set(21, "FX_a", "FX"), Set(22, "FX_b", "FX"), Set(41, "UB_a", "UB"), Set(31, "BB_a", "BB")),
)


def pair_of_questions() -> list[Question]:
    clips = [clip(GYMSIM.find(name).label) for name in ("giant circle forward", "giant circle backward")]
    return build_minimal_pairs(clips, GYMSIM)
