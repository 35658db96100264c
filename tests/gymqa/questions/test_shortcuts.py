"""Statistics of question sets: the released figures, and the oracles worked out by hand on a small set."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.questions.files import save_questions
from gymqa.questions.released_json import read_published, split_choices
from gymqa.questions.schema import QUESTION_TEXT, Question
from gymqa.questions.shortcuts import file_stats, released_stats
from gymqa.questions.validation import file_problems
from tests.helpers.naming import naming
from tests.helpers.places import SHARED

RELEASED = SHARED / "gymqa_release/all99_5/val.json"
needs_release = pytest.mark.skipif(
    not RELEASED.is_file(), reason="Gym-QA as released is not at ../shared/gymqa_release"
)
CATEGORIES = """Clabel: 0; set: 24; Glabel: 0; (FX) salto forward tucked
Clabel: 1; set: 25; Glabel: 1; (FX) salto backward tucked
Clabel: 2; set: 35; Glabel: 2; (BB) salto backward tucked
Clabel: 3; set: 41; Glabel: 3; (UB) giant circle backward with 0.5 turn
Clabel: 4; set: 41; Glabel: 4; (UB) giant circle backward
"""
SETS = "set: 24; FX_front_salto\nset: 25; FX_back_salto\nset: 35; BB_dismounts\nset: 41; UB_circles\n"
CLIPS = ["a_E_000001_000002_A_0001_0002", "a_E_000003_000004_A_0001_0002", "b_E_000001_000002_A_0001_0002"]
CHOICES = "A.salto backward tucked B.giant circle backward with 0.5 turn C.salto forward tucked D.giant circle backward"


@pytest.fixture
def finegym(tmp_path: Path) -> Path:
    (tmp_path / "set_categories.txt").write_text(SETS)
    (tmp_path / "gym99_categories.txt").write_text(CATEGORIES)
    (tmp_path / "gym99_val_element.txt").write_text(f"{CLIPS[0]} 0\n{CLIPS[1]} 2\n{CLIPS[2]} 3\n")
    return tmp_path


def released(folder: Path, *questions: tuple[str, str, str]) -> Path:
    entries = {
        f"{number:07}": {"answer": answer, "question": f"{QUESTION_TEXT} {choices}", "video": clip}
        for number, (clip, choices, answer) in enumerate(questions)
    }
    (folder / "val.json").write_text(json.dumps(entries))
    return folder / "val.json"


def test_oracles_guess_evenly_among_the_letters_a_name_may_mean(finegym: Path) -> None:
    # FX leaves A (FX or BB) and C; BB leaves A; UB leaves B and D. The sets leave C; A; B and D.
    file = released(finegym, (CLIPS[0], CHOICES, "C"), (CLIPS[1], CHOICES, "A"), (CLIPS[2], CHOICES, "B"))
    found = released_stats(file, finegym)
    assert found["oracle_event"] == round((1 / 2 + 1 + 1 / 2) / 3, 3)
    assert found["oracle_set"] == round((1 + 1 + 1 / 2) / 3, 3)
    assert (found["no_distractor_of_event"], found["no_distractor_of_set"]) == (0.333, 0.667)
    assert (found["n"], found["videos"], found["letters"]) == (3, 2, {"A": 1, "B": 1, "C": 1})
    assert (found["repeated_choices"], found["wrong_answers"], found["n_choices"]) == (0, 0, [4])
    assert found["longest_choice"] == round(1 / 3, 3)


def test_repeats_and_wrong_answers_are_counted(finegym: Path) -> None:
    doubled = "A.salto forward tucked B.salto forward tucked C.giant circle backward"
    file = released(finegym, (CLIPS[0], doubled, "A"), (CLIPS[2], doubled, "C"))
    found = released_stats(file, finegym)
    assert (found["repeated_choices"], found["repeated_answers"], found["wrong_answers"]) == (2, 1, 1)
    problems = file_problems(file)
    assert len(problems) == 2 and "question 0000000 offers the choice 'salto forward tucked' 2 times" in problems[0]


def test_our_own_files_are_counted_by_their_labels(finegym: Path) -> None:
    names = ("(BB) salto backward tucked", "salto forward tucked")
    built = Question("q", CLIPS[1], "a", QUESTION_TEXT, names, 0, "random", "random", (2, 0), "BB", 35, 2)
    save_questions(finegym / "val.jsonl", [built])
    found = file_stats(finegym / "val.jsonl", finegym)
    assert (found["n"], found["chance"], found["oracle_event"], found["oracle_set"]) == (1, 0.5, 1.0, 1.0)
    assert file_problems(finegym / "val.jsonl") == []


names = st.sampled_from(
    [
        "switch leap with 0.5 turn",
        "(swing backward) double salto",
        "counter stretched over HB to hang",
        "sheep jump (A. B.)",
        "B.C",
    ]
)


@given(st.lists(names, min_size=2, max_size=6))
def test_choices_come_apart_whatever_dots_their_names_hold(choices: list[str]) -> None:
    inline = " ".join(f"{letter}.{choice}" for letter, choice in zip("ABCDEF", choices, strict=False))
    known = {"switch leap with 0.5 turn", "(swing backward) double salto", "counter stretched over HB to hang"}
    known |= {"sheep jump (A. B.)", "B.C"}
    assert split_choices(f"{QUESTION_TEXT} {inline}", known.__contains__) == (QUESTION_TEXT, tuple(choices))


@given(st.text(max_size=60))
def test_any_text_comes_apart_or_is_refused_with_a_sentence(text: str) -> None:
    try:
        _, choices = split_choices(text)
    except GymQAError:
        return
    assert len(choices) >= 2 and all(choices)


@pytest.mark.parametrize(
    "entry",
    [
        {"answer": "E", "question": f"What? {CHOICES}", "video": CLIPS[0]},
        {"answer": "", "question": f"What? {CHOICES}", "video": CLIPS[0]},
        {"answer": "A", "question": "What?", "video": CLIPS[0]},
        {"answer": "A", "question": "What? A.kip B. C.cast", "video": CLIPS[0]},
        {"answer": "A", "question": f"What? {CHOICES}", "video": "../x"},
        {"answer": "A", "question": 7, "video": CLIPS[0]},
        {"answer": "A"},
        [],
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: Any) -> None:
    (tmp_path / "val.json").write_text(json.dumps({"0000042": entry}))
    with pytest.raises(GymQAError, match=naming("val.json", "0000042")):
        read_published(tmp_path / "val.json")


def test_an_unknown_element_or_clip_is_named(finegym: Path) -> None:
    file = released(finegym, (CLIPS[0], "A.salto forward tuckd B.giant circle backward", "A"))
    with pytest.raises(GymQAError, match=naming("'salto forward tuckd'", "salto forward tucked")):
        released_stats(file, finegym)
    file = released(finegym, ("z_E_000001_000002_A_0001_0002", CHOICES, "A"))
    with pytest.raises(GymQAError, match=naming("z_E_000001_000002_A_0001_0002", "gym99")):
        released_stats(file, finegym)


@pytest.mark.slow
@needs_release
def test_the_released_set_has_the_published_figures() -> None:
    found = json.loads(json.dumps(released_stats(RELEASED, SHARED / "finegym")))
    assert (found["n"], found["videos"], found["repeated_choices"], found["repeated_answers"]) == (8521, 65, 92, 34)
    assert (found["oracle_event"], found["oracle_set"], found["wrong_answers"]) == (0.599, 0.875, 0)
    assert found["letters"] == {"A": 2115, "B": 2089, "C": 2174, "D": 2143}
