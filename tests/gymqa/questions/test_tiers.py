"""The tiers event and attribute, old files, and the parsers of lists: read, or refused by file and line."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.finegym.taxonomy import read_taxonomy
from gymqa.questions.distractors import build_questions
from gymqa.questions.files import from_line, load_questions, to_line
from gymqa.questions.schema import ELEMENT_BENCHMARKS, KINDS, MINIMAL_PAIRS, Question
from gymqa.questions.shortcuts import stats
from tests.helpers.gymsim_taxonomy import GYMSIM, clip, tree_of
from tests.helpers.naming import does_name, naming

OLD_FIELDS = ("id", "clip_id", "video_id", "text", "choices", "answer", "tier", "drawn_tier", "choice_labels", "event",
              "set_id", "element")  # fmt: skip


def test_event_distractors_are_of_the_same_apparatus() -> None:
    built = build_questions([clip(label, label) for label in range(len(GYMSIM))], GYMSIM, "event")
    for one in built:
        assert {GYMSIM.elements[label].event for label in one.choice_labels} == {one.event}
        assert (one.tier, one.drawn_tier, one.benchmark) == ("event", "event", "event")


def test_attribute_distractors_differ_in_one_decision_as_far_as_there_are_such() -> None:
    built = build_questions([clip(label, label) for label in range(len(GYMSIM))], GYMSIM, "attribute", n_choices=3)
    for one in built:
        apart = GYMSIM.one_decision_apart(one.element or 0)
        others = [label for label in one.choice_labels if label != one.element]
        assert sum(label in apart for label in others) == min(2, len(apart))
        assert (one.drawn_tier == "attribute") == (len(apart) >= 2)
    assert {one.drawn_tier for one in built} >= {"attribute", "set"}


def test_distractors_that_are_close_to_each_other_stand_together() -> None:
    ends = ("p- r- u- 1+", "p- r- u- 1- 2+", "p- r- u- 1- 2- 3+", "p- r- u- 1- 2- 3-")  # all close to each other
    far = ("p+ r- u- 1- 2- 3-", "p- r+ u- 1- 2- 3-", "p- r- u+ 1- 2- 3-")  # close to the last of `ends` only
    taxonomy = tree_of(*ends, *far)
    assert len(taxonomy.one_decision_apart(3)) == 6
    built = build_questions([clip(3, number) for number in range(300)], taxonomy, "attribute")
    together = sum({*one.choice_labels} == {0, 1, 2, 3} for one in built)
    assert together > 100  # evenly drawn, 15 of 300


def test_a_question_holds_the_decisions_of_its_element() -> None:
    (built,) = build_questions([clip(9)], GYMSIM, "gym-qa")
    assert built.attributes == GYMSIM.elements[9].attributes != ()


def test_a_line_of_an_older_file_is_still_a_question() -> None:
    (built,) = build_questions([clip(9)], GYMSIM, "gym-qa")
    record = {name: value for name, value in json.loads(to_line(built)).items() if name in OLD_FIELDS}
    old = from_line(Question, json.dumps(record))
    assert (old.choices, old.answer, old.attributes, old.kind) == (built.choices, built.answer, (), "element")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": "colour"}, ("'colour'",)),
        ({"kind": "decision"}, ("labels",)),
        ({"kind": "decision", "choice_labels": [], "choices": ["Yes", "Maybe"], "answer": 0}, ("Yes, Maybe", "No")),
        ({"kind": "decision", "choice_labels": [], "choices": ["Yes", "No"], "answer": 0, "text": "double salto?"},
         ("answer Yes",)),
        ({"attributes": [{"question": "a?", "value": 1}]}, ("value", "Attribute", 1)),
        ({"attributes": [{"question": "a?"}]}, ("Attribute", "value")),
    ],
)  # fmt: skip
def test_an_impossible_attribute_question_is_refused(changes: dict[str, object], named: tuple[object, ...]) -> None:
    (built,) = build_questions([clip(9)], GYMSIM, "gym-qa")
    with pytest.raises(GymQAError, match=naming(*named)):
        from_line(Question, json.dumps({**json.loads(to_line(built)), **changes}))


def test_shortcuts_are_worked_out() -> None:
    leaps = [GYMSIM.find(name).label for name in ("straddle pike jump", "wolf hop or jump")]
    asked = [
        Question(f"q{number}", clip(label, number).id, f"v{number}", "What?", ("straddle", "wolf"), place, "set", "set",
                 tuple(leaps), "BB", 31, label, attributes=GYMSIM.elements[label].attributes)
        for number, (place, label) in enumerate([(0, leaps[0]), (0, leaps[0]), (1, leaps[1]), (0, leaps[0])])
    ]  # fmt: skip
    found = stats(asked, GYMSIM)
    # Of two decisions only "legs straddled?" tells the two apart: (1/2 + 1) / 2.
    assert (found["oracle_set"], found["oracle_attribute"]) == (0.5, 0.75)
    assert (found["letter_prior"], found["most_frequent_answer"], found["longest_choice"]) == (0.75, 0.75, 0.75)
    assert (found["middle_choice"], found["groups"], found["drawn_tiers"]) == (0.5, 0, {"set": 4})


def test_a_decision_rules_out_no_element_that_it_was_never_asked_of() -> None:
    taxonomy = tree_of("a+ b+", "a+ b-", "a-")
    (built,) = build_questions([clip(0)], taxonomy, "gym-qa", n_choices=3)
    # a? leaves the first two elements, b? the first and the last, which was never asked.
    assert stats([built], taxonomy)["oracle_attribute"] == 0.5


@pytest.mark.parametrize("label", [2, 99])
def test_questions_of_another_setting_are_not_counted(label: int) -> None:
    (built,) = build_questions([clip(9)], GYMSIM, "gym-qa")
    labels = tuple(label if one == 9 else one for one in built.choice_labels if one != label)
    choices = tuple(f"choice {one}" for one in labels)
    other = replace(built, element=label, choice_labels=labels, choices=choices, answer=labels.index(label))
    with pytest.raises(GymQAError, match=naming("gymsim24")):
        stats([other], GYMSIM)


@pytest.mark.parametrize("benchmark", [*ELEMENT_BENCHMARKS, *KINDS[1:], MINIMAL_PAIRS])
def test_every_benchmark_is_built_checked_and_counted_from_the_command_line(
    benchmark: str, gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    val, file, finegym = gymsim_root / "annotations/gymsim24_val_element.txt", tmp_path / "q.jsonl", str(gymsim_root)
    words = ["--finegym", finegym, "--benchmark", benchmark, "--seed", "3", "--out", str(file)]
    assert cli.main(["questions", "build", str(val), *words, "--setting", "gymsim24"]) == 0
    assert {question.benchmark for question in load_questions(file)} == {benchmark}
    assert cli.main(["questions", "validate", str(file), "--finegym", finegym, "--setting", "gymsim24"]) == 0
    capsys.readouterr()
    train = gymsim_root / "annotations/gymsim24_train_element.txt"
    assert cli.main(["questions", "stats", str(file), "--finegym", finegym, "--json", "--others", str(train)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["video_overlap"] == {str(train): {"videos": 0, "of_questions": 0.0}}
    assert found["wrong_answers"] == 0


def test_validation_holds_answers_against_the_release(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    val, file, finegym = gymsim_root / "annotations/gymsim24_val_element.txt", tmp_path / "q.jsonl", str(gymsim_root)
    words = [str(val), "--finegym", finegym, "--out", str(file)]
    for benchmark, change, named in (
        ("counting", {"answer": 1}, "answer"),
        ("gym-qa", {"clip_id": val.read_text().splitlines()[5].split()[0]}, "clip"),
        ("gym-qa", {"choices": ["a", "b", "c", "d"]}, "'a'"),
        ("gym-qa", {"attributes": []}, "tree"),
    ):
        assert cli.main(["questions", "build", *words, "--benchmark", benchmark]) == 0
        first = json.loads(file.read_text().splitlines()[0])
        change = {"answer": 1 - min(1, first["answer"])} if benchmark == "counting" else change
        file.write_text(json.dumps({**first, **change}) + "\n")
        assert cli.main(["questions", "validate", str(file)]) == 0
        assert cli.main(["questions", "validate", str(file), "--finegym", finegym]) == 2
        assert does_name(capsys.readouterr().out, first["id"], named)


lines = st.lists(
    st.text(max_size=30)
    | st.tuples(st.integers(-3, 10**12), st.sampled_from(["set: 24; ", "set: 9; ", ""]), st.integers(-1, 9)).map(
        lambda drawn: f"Clabel: {drawn[0]}; {drawn[1]}Glabel: {drawn[2]}; (FX) salto {drawn[2]}"
    )
    | st.integers(0, 10**12).map(lambda label: f"v_E_000001_000002_A_0001_{label % 9999:04} {label}"),
    max_size=5,
)


@pytest.mark.slow
@given(lines)
def test_a_category_or_element_list_is_read_or_refused_by_file_and_line(
    tmp_path_factory: pytest.TempPathFactory, written: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any_lists"
    folder.mkdir(exist_ok=True)
    (folder / "set_categories.txt").write_text("set: 24; FX_front_salto\n")
    path = folder / "any_categories.txt"
    path.write_bytes("\n".join(written).encode("utf-8", "surrogatepass"))
    for read in (lambda: read_taxonomy(folder, "any"), lambda: read_element_list(path)):
        try:
            read()
        except GymQAError as error:
            assert re.search(r"any_categories\.txt(:\d+: | )", str(error)), str(error)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("set_categories.txt", "set: 24; FX_front_salto\nset: 24; FX_back_salto\n", ("set_categories.txt:2", "set 24")),
        ("any_categories.txt", "Clabel: 0; set: 24; Glabel: 1; (FX) a\nClabel: 1; set: 24; Glabel: 1; (FX) b\n",
         ("any_categories.txt:2", "Glabel 1")),
        ("any_categories.txt", "Clabel: 0; set: 24; Glabel: 1; (FX) a\nClabel: 1; set: 24; Glabel: 2; (FX) a\n",
         ("any_categories.txt:2", "set 24", "'a'")),
        ("any_categories.txt", "\n", ("any_categories.txt",)),
    ],
)  # fmt: skip
def test_what_stands_there_twice_is_named_with_its_line(
    tmp_path: Path, name: str, text: str, place: tuple[str, ...]
) -> None:
    (tmp_path / "set_categories.txt").write_text("set: 24; FX_front_salto\n")
    (tmp_path / "any_categories.txt").write_text("Clabel: 0; set: 24; Glabel: 1; (FX) a\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(GymQAError, match=naming(*place)):
        read_taxonomy(tmp_path, "any")
