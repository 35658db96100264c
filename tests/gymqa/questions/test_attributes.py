"""Questions about decisions, turns, direction and shape: true, balanced, seeded by clip alone."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym import element_names as movement
from gymqa.finegym.annotations import Clip, read_element_list
from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import Element, Set, Taxonomy, read_taxonomy
from gymqa.questions.attributes import build_attribute_questions, facts
from gymqa.questions.files import from_line, to_line
from gymqa.questions.schema import KINDS, Question
from gymqa.sim.elements import GYMSIM24
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import naming

kinds = st.sampled_from(KINDS[1:])
labels = st.integers(0, len(GYMSIM) - 1)


clip_lists = st.lists(st.tuples(labels, st.integers(0, 99)), min_size=1, max_size=15, unique=True).map(
    lambda drawn: [clip(label, number) for label, number in drawn]
)


def element(name: str, *asked: tuple[str, bool], event: str = "FX") -> Element:
    return Element(0, 0, 25, event, name, name, tuple(Attribute(question, value) for question, value in asked))


@pytest.mark.slow
@given(clip_lists, kinds, st.integers(0, 9), st.integers(2, 6))
def test_answers_are_true_choices_distinct_and_lines_read_back(
    clips: list[Clip], kind: str, seed: int, n_choices: int
) -> None:
    for built in build_attribute_questions(clips, GYMSIM, kind, seed, n_choices):
        answer, meant = built.choices[built.answer], GYMSIM.elements[built.element or 0]
        if kind == "decision":
            assert Attribute(built.text, answer == "Yes") in meant.attributes
        else:
            assert (built.text, answer) in facts(meant, kind)
        assert 2 <= len(built.choices) == len(set(built.choices)) <= max(2, n_choices)
        assert built.attributes == meant.attributes
        assert built.benchmark == kind
        assert from_line(Question, to_line(built)) == built


@pytest.mark.slow
@given(clip_lists, clip_lists, kinds, st.integers(0, 9))
def test_adding_clips_changes_no_other_question(clips: list[Clip], more: list[Clip], kind: str, seed: int) -> None:
    added = [Clip("w" + one.id, "w", one.label) for one in more]
    alone = build_attribute_questions(clips, GYMSIM, kind, seed)
    both = build_attribute_questions([*added, *clips], GYMSIM, kind, seed)
    assert [built for built in both if built.video_id == "v"] == alone


def test_yes_and_no_letters_and_orders_are_balanced() -> None:
    built = build_attribute_questions([clip(i % len(GYMSIM), i) for i in range(2000)], GYMSIM, "decision")
    for counts in (Counter(one.choices[one.answer] for one in built), Counter(one.letter for one in built)):
        assert all(abs(count - 1000) < 120 for count in counts.values())  # five standard deviations


def test_a_decision_that_a_set_always_answers_alike_is_not_asked() -> None:
    rows = [element("a", ("flat?", True), ("turn?", True)), element("b", ("flat?", True), ("turn?", False))]
    taxonomy = Taxonomy("two", (rows[0], Element(1, 1, 25, "FX", "b", "b", rows[1].attributes)), (Set(25, "FX", "FX"),))
    built = build_attribute_questions([clip(i % 2, i) for i in range(40)], taxonomy, "decision")
    assert {one.text for one in built} == {"turn?"}


def test_wrong_values_come_from_the_set_first_and_say_where_from() -> None:
    label = next(one.label for one in GYMSIM.elements if one.name == "salto forward stretched with 1 twist")
    (built,) = build_attribute_questions([clip(label)], GYMSIM, "direction")
    assert set(built.choices) == {"forward", "backward"}
    assert (built.tier, built.drawn_tier) == ("set", "event")


@pytest.mark.parametrize(("n_choices", "offered"), [(2, 2), (3, 3), (5, 5), (9, 5)])
def test_there_are_as_many_choices_as_asked_for_and_as_there_are_values(n_choices: int, offered: int) -> None:
    names = [f"salto backward stretched with {number} twist" for number in ("0.5", "1", "1.5", "2", "2.5")]
    elements = tuple(Element(i, i, 25, "FX", name, name, ()) for i, name in enumerate(names))
    taxonomy = Taxonomy("twists", elements, (Set(25, "FX", "FX"),))
    built = build_attribute_questions([clip(2, i) for i in range(9)], taxonomy, "counting", 0, n_choices)
    assert {len(one.choices) for one in built} == {offered}
    assert {one.drawn_tier for one in built} == {"set"}


def test_a_flight_between_bars_is_asked_only_for_the_way_between_bars() -> None:
    label = next(one.label for one in GYMSIM.elements if one.name == "transition flight from low bar to high bar")
    (built,) = build_attribute_questions([clip(label)], GYMSIM, "direction")
    assert set(built.choices) == set(movement.FLIGHTS)


@pytest.mark.parametrize(
    ("told", "turns", "saltos", "direction", "shape"),
    [
        (element("double salto backward tucked with 1 twist"), 1, 2, "backward", "tucked"),
        (element("salto forward stretched", ("Salto with twist?", False)), 0, 1, "forward", "stretched"),
        (element("salto forward stretched"), None, 1, "forward", "stretched"),
        (element("split leap with 1.5 turn or more"), None, None, None, None),
        (element("johnson with additional 0.5 turn"), None, None, None, None),
        (element("1 turn with heel of free leg forward at horizontal"), 1, None, None, None),
        (element("clear pike circle backward", ("With turn?", True)), None, None, "backward", "piked"),
        (element("(swing forward) salto backward with 0.5 turn piked"), 0.5, 1, "backward", "piked"),
        (element("round-off, flic-flac with 0.5 turn on, stretched salto forward with 1.5 turn off", event="VT"),
         1.5, 1, "forward", "stretched"),
        (element("round-off, flic-flac with 0.5 turn on, tucked salto forward off",
                 ("0.5 turn in first flight phase?", True), ("Salto with turn?", False), event="VT"),
         0, 1, "forward", "tucked"),
        (element("straddle pike jump with 1 turn"), 1, None, None, None),
        (element("flight", ("Without turn during flight?", True)), 0, None, None, None),
    ],
)  # fmt: skip
def test_names_say_what_they_say_and_no_more(
    told: Element, turns: float | None, saltos: int | None, direction: str | None, shape: str | None
) -> None:
    assert movement.turns(told) == turns
    assert movement.saltos(told) == saltos
    assert movement.direction(told) == direction
    assert movement.body_shape(told) == shape


def test_gymsims_names_say_what_its_elements_do() -> None:
    for shown, told in zip(GYMSIM24, GYMSIM.elements, strict=True):
        if (count := movement.turns(told)) is not None:
            assert count == shown.turns
        if (count := movement.saltos(told)) is not None:
            assert count == shown.saltos
        way = {1: "forward", -1: "backward", 0: None}[shown.direction]
        assert movement.direction(told) in (way, *movement.FLIGHTS)


@pytest.mark.parametrize(
    ("kind", "n_choices", "named"), [("turns", 4, ("'turns'", "decision")), ("shape", 1, (2, 26, 1))]
)
def test_what_cannot_be_built_is_named(kind: str, n_choices: int, named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        build_attribute_questions([clip(0)], GYMSIM, kind, 0, n_choices)


def test_decisions_need_trees() -> None:
    bare = Taxonomy("bare", (element("a"),), (Set(25, "FX", "FX"),))
    with pytest.raises(GymQAError, match=naming("bare")):
        build_attribute_questions([clip(0)], bare, "decision")


@pytest.mark.slow
def test_finegyms_val_clips_are_asked_true_questions(shared: Path) -> None:
    taxonomy = read_taxonomy(shared / "finegym", "gym99")
    clips = read_element_list(shared / "finegym" / "gym99_val_element.txt", len(taxonomy))
    built = build_attribute_questions(clips, taxonomy, "decision")
    yes = sum(one.choices[one.answer] == "Yes" for one in built) / len(built)
    assert len(built) == 8521 and abs(yes - 0.5) < 0.05  # some trees have one answer only
    for kind, least in (("counting", 6000), ("direction", 5000), ("shape", 3500)):
        assert len(build_attribute_questions(clips, taxonomy, kind)) > least
