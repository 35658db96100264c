"""Decision trees: read as typed records, wrong entries named by line, and how far elements are from each other."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym.decision_trees import NEAR, Attribute, DecisionTree, differing_decision, read_decision_trees
from gymqa.finegym.taxonomy import read_taxonomy
from tests.helpers.gymsim_taxonomy import GYMSIM
from tests.helpers.naming import naming

SOUND = {"questions": ["a  turn?", "tucked?"], "BTcode": "01", "code": "1.0"}
decisions = st.dictionaries(st.sampled_from("abcdefgh"), st.booleans()).map(
    lambda answers: [Attribute(question, value) for question, value in answers.items()]
)

anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)


def test_an_entry_is_a_record_with_blanks_collapsed(tmp_path: Path) -> None:
    (tmp_path / "trees.json").write_text(json.dumps({"7": SOUND}))
    tree = DecisionTree(7, (Attribute("a turn?", False), Attribute("tucked?", True)), "1.0")
    assert read_decision_trees(tmp_path / "trees.json") == {7: tree}


@pytest.mark.parametrize(
    "entry",
    [
        {**SOUND, "BTcode": "0"},
        {**SOUND, "BTcode": "02"},
        {**SOUND, "questions": ["a?", 7]},
        {**SOUND, "questions": "a?"},
        {**SOUND, "questions": ["a?", " "]},
        {"questions": ["a?"], "BTcode": "1"},
        {},
        [],
        None,
    ],
)
def test_a_wrong_entry_is_named_with_its_line(tmp_path: Path, entry: object) -> None:
    text = json.dumps({"6": SOUND, "7": entry}, indent=1)
    (tmp_path / "trees.json").write_text(text)
    line = text[: text.index('"7"')].count("\n") + 1
    with pytest.raises(GymQAError, match=naming(f"trees.json:{line}", "'7'")):
        read_decision_trees(tmp_path / "trees.json")


def test_an_entry_that_stands_there_twice_is_named_with_its_second_line(tmp_path: Path) -> None:
    entry = json.dumps(SOUND)
    (tmp_path / "trees.json").write_text(f'{{\n"7": {entry},\n"8": {entry},\n"7": {entry}\n}}')
    with pytest.raises(GymQAError, match=naming("trees.json:4", "'7'")):
        read_decision_trees(tmp_path / "trees.json")


@given(st.text(max_size=60) | anything.map(json.dumps))
def test_any_file_is_read_or_refused_with_a_sentence(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any_trees.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        trees = read_decision_trees(path)
    except GymQAError as error:
        assert "any_trees.json" in str(error)
        return
    assert all(isinstance(tree, DecisionTree) for tree in trees.values())


@given(decisions, decisions)
def test_one_decision_apart_is_mutual_and_the_decision_is_answered_both_ways(
    first: list[Attribute], second: list[Attribute]
) -> None:
    question = differing_decision(first, second)
    assert question == differing_decision(second, first)
    assert differing_decision(first, first) is None
    if question is not None:
        ours, theirs = ({one.question: one.value for one in part} for part in (first, second))
        assert [one for one in ours.keys() & theirs.keys() if ours[one] != theirs[one]] == [question]
        assert len(ours.keys() ^ theirs.keys()) <= NEAR


def test_elements_of_gymsim_are_one_decision_apart_where_one_thing_differs() -> None:
    tucked = GYMSIM.find("(FX) salto backward tucked")
    apart = {GYMSIM.elements[label].name: asked for label, asked in GYMSIM.one_decision_apart(tucked.label).items()}
    stretched = "body keep stretched during salto (stretched salto)?"
    assert apart == {"double salto backward tucked": "double salto?", "salto backward stretched": stretched}


def test_finegyms_trees_are_530_records_with_fig_codes(shared: Path) -> None:
    trees = read_decision_trees(shared / "finegym" / "finegym_glabel_to_Qtree.json")
    assert list(trees) == list(range(530))
    assert all(tree.decisions and tree.code for tree in trees.values())
    assert trees[0].decisions[-1] == Attribute("Salto with 1.5 turn?", True) and trees[0].code == "6.00"


@pytest.mark.parametrize("setting", ["gym99", "gym288", "gym530"])
def test_finegyms_elements_show_their_decisions(shared: Path, setting: str) -> None:
    taxonomy = read_taxonomy(shared / "finegym", setting)
    assert all(element.attributes and element.code for element in taxonomy.elements)
    trees = {(element.set_id, element.attributes) for element in taxonomy.elements}
    assert len(trees) == len(taxonomy)  # decisions tell any two elements of a set apart
