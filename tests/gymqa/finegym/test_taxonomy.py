"""The taxonomy: category lists and decision trees read right, names unique, twins differing in direction only."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.finegym.decision_trees import Attribute
from gymqa.finegym.taxonomy import OPPOSITES, Taxonomy, opposite_direction, read_taxonomy
from tests.helpers.naming import naming
from tests.helpers.places import SHARED

FINEGYM = SHARED / "finegym"
needs_finegym = pytest.mark.skipif(not FINEGYM.is_dir(), reason="FineGym's files are not at ../shared/finegym")

SETS = """set: 1; vault
set: 24; FX_front_salto
set: 25; FX_back_salto
set: 33; BB_flight_salto
set: 35; BB_dismounts
set: 43; UB_transition_flight
"""
ELEMENTS = """Clabel:   0; set:  1; Glabel:  24; (VT) round-off, flic-flac on, tucked salto backward off
Clabel:   1; set:  1; Glabel:  48; (VT) handspring forward on, tucked salto forward off
Clabel:   2; set: 24; Glabel: 163; (FX) salto forward tucked
Clabel:   3; set: 25; Glabel: 197; (FX) salto  backward tucked
Clabel:   4; set: 33; Glabel: 290; (BB) salto backward tucked
Clabel:   5; set: 35; Glabel: 359; (BB) salto backward tucked
Clabel:   6; set: 35; Glabel: 345; (BB) salto forward tucked
Clabel:   7; set: 43; Glabel: 471; (UB) transition flight from high bar to low bar
Clabel:   8; set: 43; Glabel: 472; (UB) transition flight from low bar to high bar
Clabel:   9; set: 33; Glabel: 336; (BB) round-off
"""
LABELS = [24, 48, 163, 197, 290, 359, 345, 471, 472, 336]


def write_annotations(folder: Path, elements: str = ELEMENTS, sets: str = SETS) -> Path:
    trees = {str(glabel): {"questions": ["a  turn?", "tucked?"], "BTcode": "01", "code": "1.0"} for glabel in LABELS}
    (folder / "set_categories.txt").write_text(sets)
    (folder / "tiny_categories.txt").write_text(elements)
    (folder / "glabel_to_Qtree.json").write_text(json.dumps(trees))
    return folder


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    return read_taxonomy(write_annotations(tmp_path), "tiny")


def test_elements_stand_at_their_labels_with_blanks_collapsed(taxonomy: Taxonomy) -> None:
    assert [element.label for element in taxonomy.elements] == list(range(10))
    assert taxonomy.elements[3].name == "salto backward tucked"
    assert (taxonomy.elements[3].glabel, taxonomy.elements[3].set_id, taxonomy.elements[3].event) == (197, 25, "FX")


def test_attributes_are_the_decisions_of_the_tree(taxonomy: Taxonomy) -> None:
    assert taxonomy.elements[0].attributes == (Attribute("a turn?", False), Attribute("tucked?", True))


def test_a_folder_without_decision_trees_gives_elements_without_attributes(tmp_path: Path) -> None:
    (write_annotations(tmp_path) / "glabel_to_Qtree.json").unlink()
    assert read_taxonomy(tmp_path, "tiny").elements[0].attributes == ()


def test_a_shared_name_is_displayed_with_its_apparatus_or_its_set(taxonomy: Taxonomy) -> None:
    assert [element.display_name for element in taxonomy.elements[2:7]] == [
        "(FX) salto forward tucked",
        "(FX) salto backward tucked",
        "(BB flight salto) salto backward tucked",
        "(BB dismounts) salto backward tucked",
        "(BB) salto forward tucked",
    ]
    assert taxonomy.elements[9].display_name == "round-off"


def test_find_takes_plain_and_display_names(taxonomy: Taxonomy) -> None:
    assert taxonomy.find("Round-off ").label == 9
    assert taxonomy.find("(BB dismounts) salto backward tucked").label == 5
    assert taxonomy.find("(FX) salto forward tucked").label == 2


def test_find_says_which_names_are_close_or_shared(taxonomy: Taxonomy) -> None:
    with pytest.raises(GymQAError, match=naming("'round-of'", "'round-off'")):
        taxonomy.find("round-of")
    with pytest.raises(GymQAError, match=naming(2, "tiny", "'(FX) salto forward tucked'")):
        taxonomy.find("salto forward tucked")


def test_relatives_leave_the_element_itself_out(taxonomy: Taxonomy) -> None:
    assert [element.label for element in taxonomy.same_set(5)] == [6]
    assert [element.label for element in taxonomy.same_event(5)] == [4, 6, 9]


def test_twins_differ_in_direction_only(taxonomy: Taxonomy) -> None:
    twins = {element.label: taxonomy.twin(element.label) for element in taxonomy.elements}
    assert {label: twin.label for label, twin in twins.items() if twin} == {
        0: 1,
        1: 0,
        2: 3,
        3: 2,
        5: 6,
        6: 5,
        7: 8,
        8: 7,
    }


@given(st.lists(st.sampled_from([*OPPOSITES, *OPPOSITES.values(), "salto", "(swing", ")", "tucked", "on", "off,"])))
def test_the_opposite_of_the_opposite_is_the_name_itself(words: list[str]) -> None:
    name = " ".join(words)
    assert opposite_direction(opposite_direction(name)) == name
    assert ("backward" in name or "forward" in name) <= (opposite_direction(name) != name)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("Clabel: 11; set: 24; Glabel: 163; (FX) stag jump", (11, 10)),
        ("Clabel: 10; set: 99; Glabel: 163; (FX) stag jump", ("set 99", "FX")),
        ("Clabel: 10; set: 24; Glabel: 163; (BB) stag jump", ("set 24", "BB")),
        ("Clabel: 10; set: 24; Glabel: 999; (FX) stag jump", ("Glabel 999",)),
        ("Clabel: 10; set: 24; (FX) stag jump", ("'Clabel: 10; set: 24; (FX) stag jump'",)),
        ("Clabel: 10; set: 24; Glabel: 163; (FX) salto forward tucked", ("set 24", "'salto forward tucked'")),
        ("Clabel: 10; set: 24; Glabel: 163; (FX) stag jump", ("Glabel 163",)),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming("tiny_categories.txt:11", *named)):
        read_taxonomy(write_annotations(tmp_path, ELEMENTS + line), "tiny")


def test_a_wrong_set_or_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("other_categories.txt")):
        read_taxonomy(write_annotations(tmp_path), "other")
    for sets, named in (
        ("sets 1", ("set_categories.txt:1", "'sets 1'")),
        (SETS + "set: 1; vault", ("set_categories.txt:7", "set 1")),
        ("\nset: 1; XX_jump", ("set_categories.txt:2", "XX_jump")),
    ):
        with pytest.raises(GymQAError, match=naming(*named)):
            read_taxonomy(write_annotations(tmp_path, sets=sets), "tiny")
    with pytest.raises(GymQAError, match=naming("tiny_categories.txt")):
        read_taxonomy(write_annotations(tmp_path, "\n"), "tiny")


lines = st.lists(
    st.sampled_from([*ELEMENTS.splitlines(), *SETS.splitlines(), "Glabel: 7; set: 1; (VT) x"]) | st.text(max_size=20),
    max_size=8,
).map("\n".join)


@pytest.mark.slow
@given(lines | st.just(ELEMENTS), lines | st.just(SETS))
def test_any_category_lists_are_read_or_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, elements: str, sets: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    try:
        taxonomy = read_taxonomy(write_annotations(folder, elements, sets), "tiny")
    except GymQAError as error:
        assert str(folder) in str(error)
        return
    assert [element.label for element in taxonomy.elements] == list(range(len(taxonomy)))
    assert len({element.display_name for element in taxonomy.elements}) == len(taxonomy)
    assert {element.set_id for element in taxonomy.elements} <= {group.id for group in taxonomy.sets}


@needs_finegym
@pytest.mark.parametrize(
    ("setting", "classes", "names"), [("gym99", 99, 89), ("gym288", 288, 253), ("gym530", 530, 480)]
)
def test_finegym_has_the_published_counts(setting: str, classes: int, names: int) -> None:
    taxonomy = read_taxonomy(FINEGYM, setting)
    assert (len(taxonomy), len(taxonomy.sets)) == (classes, 15)
    assert len({element.name for element in taxonomy.elements}) == names
    assert len({element.display_name for element in taxonomy.elements}) == classes
    assert all(element.attributes for element in taxonomy.elements)


@pytest.mark.slow
@needs_finegym
def test_the_twenty_pairs_of_gym_new_are_twins() -> None:
    taxonomy = read_taxonomy(FINEGYM, "gym288")
    lists = [FINEGYM / name for name in ("gym288_train_element_v1.1.txt", "gym288_val_element.txt")]
    label_of = {clip.id: clip.label for path in lists for clip in read_element_list(path)}
    votes: dict[int, Counter[int]] = {label: Counter() for label in range(40)}
    for clip in read_element_list(SHARED / "gymqa_release/lists/list_finegym_new_5/train.csv", 40):
        label = label_of[clip.id]
        assert clip.label is not None and label is not None
        votes[clip.label][label] += 1
    elements = [votes[label].most_common(1)[0][0] for label in range(40)]
    for first, second in zip(elements[::2], elements[1::2], strict=True):
        twin = taxonomy.twin(first)
        assert twin is not None and twin.label == second
