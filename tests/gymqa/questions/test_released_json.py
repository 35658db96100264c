"""Gym-QA's released files: taken over whole, given back to the byte, and held against FineGym's own labels."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.questions.attributes import build_attribute_questions
from gymqa.questions.files import load_questions
from gymqa.questions.minimal_pairs import build_minimal_pairs
from gymqa.questions.released_json import format_published, import_published, read_published
from gymqa.questions.schema import Question
from gymqa.questions.shortcuts import file_stats
from gymqa.questions.validation import file_problems
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import naming

CLIPS = [clip(label, label) for label in range(len(GYMSIM))]
LABELS = {one.id: one.label for one in CLIPS if one.label is not None}
NAMES = [element.name for element in GYMSIM.elements]


def entry(number: int, label: int, choices: list[str], answer: int = 0, **changes: Any) -> dict[str, Any]:
    asked = " ".join(f"{letter}.{choice}" for letter, choice in zip("ABCDEF", choices, strict=False))
    return {
        "answer": "ABCDEF"[answer],
        "question": f"What gymnastics move is this athlete performing? {asked}",
        "answer_type": "what",
        "question_id": f"{number:07}",
        "dataset": "finegym",
        "video": CLIPS[label].id,
        "frame_length": 66,
    } | changes


def release(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({f"{number:07}": one for number, one in enumerate(entries)}, indent=4))
    return path


entries = st.lists(
    st.tuples(st.integers(0, 23), st.lists(st.sampled_from(NAMES), min_size=2, max_size=6), st.integers(0, 1)),
    min_size=1,
    max_size=5,
)


@pytest.mark.slow
@given(entries)
def test_whatever_is_released_comes_back_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, list[str], int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_release.json"
    release(path, *(entry(number, *one) for number, one in enumerate(drawn)))
    assert format_published(import_published(path, GYMSIM, LABELS)).encode() == path.read_bytes()


def test_a_name_of_two_elements_stands_for_the_clips_own(tmp_path: Path) -> None:
    beam = GYMSIM.find("(BB) split jump").label
    path = release(tmp_path / "val.json", entry(0, beam, ["giant circle forward", "split jump"], 1))
    (question,) = import_published(path, GYMSIM, LABELS)
    assert question.choice_labels[1] == beam == question.element
    assert question.released and question.released.frame_length == 66


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"question": "What? A.giant circle forward  B.split jump"}, ()),
        ({"extra": 1}, ()),
        ({"question_id": "1"}, ()),
        ({"frame_length": None}, ("frame_length", None)),
        ({"video": "z_E_000001_000002_A_0001_0002"}, ("z_E_000001_000002_A_0001_0002",)),
        ({"question": "What? A.giant circle forwrd B.split jump"}, ("gymsim24", "'giant circle forwrd'")),
    ],
)
def test_what_would_not_come_back_is_refused_by_name(
    tmp_path: Path, changed: dict[str, Any], named: tuple[object, ...]
) -> None:
    path = release(tmp_path / "val.json", entry(0, 19, ["giant circle forward", "split jump"], **changed))
    with pytest.raises(GymQAError, match=naming("0000000", *named)):
        import_published(path, GYMSIM, LABELS)


def test_another_layout_or_an_id_twice_is_refused(tmp_path: Path) -> None:
    one = entry(0, 19, ["giant circle forward", "split jump"])
    path = tmp_path / "val.json"
    path.write_text(json.dumps({"0000000": one}))
    with pytest.raises(GymQAError, match=naming(path)):
        import_published(path, GYMSIM, LABELS)
    path.write_text(f'{{"0000000": {json.dumps(one)}, "0000000": {json.dumps(one)}}}')
    with pytest.raises(GymQAError, match=naming("'0000000'")):
        read_published(path)


def test_our_own_questions_are_written_as_released_ones(tmp_path: Path) -> None:
    own = Question("q", CLIPS[4].id, "v", "What?", ("split jump", "kip"), 0, "set", "set", (4, 5), "FX", 21, 4)
    (tmp_path / "own.json").write_text(format_published([own]))
    (back,) = read_published(tmp_path / "own.json")
    assert (back.id, back.clip_id, back.choices, back.answer) == ("0000000", CLIPS[4].id, own.choices, 0)


@pytest.mark.parametrize("benchmark", ["decision", "minimal-pairs"])
def test_questions_that_its_format_cannot_tell_apart_are_not_written(benchmark: str) -> None:
    build = build_minimal_pairs if benchmark == "minimal-pairs" else partial(build_attribute_questions, kind=benchmark)
    with pytest.raises(GymQAError, match=naming(benchmark)):
        format_published(build(CLIPS, GYMSIM))


def test_a_folder_is_no_file_of_questions(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path)):
        read_published(tmp_path)


def test_repeats_and_wrong_answers_are_refused_unless_as_released(
    tmp_path: Path, gymsim_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (gymsim_root / "annotations/gymsim24_val_element.txt").read_text().splitlines()
    shown = next(line.split()[0] for line in lines if line.endswith(" 21"))
    twice = entry(0, 0, ["giant circle forward", "giant circle forward"], video=shown)
    wrong = entry(1, 0, ["giant circle backward", "giant circle forward"], video=shown)
    file, own = release(tmp_path / "val.json", twice, wrong), tmp_path / "val.jsonl"
    words = ["--finegym", str(gymsim_root), "--setting", "gymsim24"]
    assert cli.main(["questions", "import", str(file), *words, "--out", str(own)]) == 0
    for path in (file, own):
        capsys.readouterr()
        assert cli.main(["questions", "validate", str(path), *words]) == 2
        shown_problems = capsys.readouterr().out
        assert "question 0000000 offers the choice" in shown_problems
        assert "question 0000001 has" in shown_problems and "not its clip's element" in shown_problems
        assert cli.main(["questions", "validate", str(path), *words, "--as-released"]) == 0
    assert cli.main(["questions", "export", str(own), "--out", str(tmp_path / "back.json")]) == 0
    assert (tmp_path / "back.json").read_bytes() == file.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("part", "n"), [("val", 8521), ("train", 1316)])
def test_the_released_files_come_back_to_the_byte(shared: Path, tmp_path: Path, part: str, n: int) -> None:
    file, own, back = shared / f"gymqa_release/all99_5/{part}.json", tmp_path / "own.jsonl", tmp_path / "back.json"
    finegym = str(shared / "finegym")
    assert cli.main(["questions", "import", str(file), "--finegym", finegym, "--out", str(own)]) == 0
    assert cli.main(["questions", "export", str(own), "--out", str(back)]) == 0
    assert back.read_bytes() == file.read_bytes()
    assert len(load_questions(own)) == n


@pytest.mark.exhaustive
@pytest.mark.slow
def test_the_released_questions_have_the_published_flaws(shared: Path, tmp_path: Path) -> None:
    file, finegym, own = shared / "gymqa_release/all99_5/val.json", shared / "finegym", tmp_path / "own.jsonl"
    assert cli.main(["questions", "import", str(file), "--finegym", str(finegym), "--out", str(own)]) == 0
    assert len(file_problems(own)) == 92 and file_problems(own, as_released=True) == []
    train = shared / "gymqa_release/all99_5/train.json"
    found = file_stats(own, finegym, "gym99", [train])
    assert found["video_overlap"] == {str(train): {"videos": 32, "of_questions": 0.226}}
    assert found == file_stats(file, finegym, None, [train]) | {"drawn_tiers": {"random": 8521}}
    asked = load_questions(own)
    sets = {question.element: question.set_id for question in asked}  # val has a clip of every element
    others = [[label for i, label in enumerate(one.choice_labels) if i != one.answer] for one in asked]
    alone = [all(sets[label] != one.set_id for label in labels) for one, labels in zip(asked, others, strict=True)]
    assert round(sum(alone) / len(asked), 2) == 0.78  # no distractor of the same set, a shared name read as one element
