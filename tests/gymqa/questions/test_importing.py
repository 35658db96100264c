"""Tables of questions in every format become Questions; every wrong row is named by file, line and column."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.hub.load import load_rows
from gymqa.questions.files import load_questions
from gymqa.questions.importing.answers import right_index, split_lettered
from gymqa.questions.importing.columns import parse_columns
from gymqa.questions.importing.rows import read_rows
from gymqa.questions.schema import LETTERS
from tests.helpers.loopback_hub import HubSite, hub_of_this_process
from tests.helpers.naming import does_name, naming

ROWS: list[dict[str, Any]] = [
    {"clip": "a/x.mp4", "ask": "Which turn?", "choices": ["left", "right"], "right": "B", "kind": "turn"},
    {"clip": "a/y.mp4", "ask": "How many?", "choices": ["one", "two", "three"], "right": "one", "kind": "count"},
    {
        "clip": "b/z.mp4",
        "ask": "Which letter?",
        "choices": [f"n{n}" for n in range(26)],
        "right": "Z",
        "kind": "",
    },
]
COLUMNS = ["--columns", "video=clip", "question=ask", "options=choices", "answer=right", "task=kind"]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format of the suffix."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        cells = [{**row, "choices": json.dumps(row["choices"])} for row in rows]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(cells)
    return path


def refused(capsys: pytest.CaptureFixture[str], out: Path, *words: str) -> str:
    """What a refused import printed; it wrote nothing."""
    assert main(["questions", "import", *words, "--out", str(out)]) == 2
    assert not out.exists()
    printed = capsys.readouterr()
    return printed.out + printed.err


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".csv", ".tsv", ".parquet"])
def test_every_format_gives_the_same_questions(tmp_path: Path, suffix: str) -> None:
    file, out = write(tmp_path / f"mine{suffix}", ROWS), tmp_path / "out.jsonl"
    assert main(["questions", "import", str(file), *COLUMNS, "--out", str(out)]) == 0
    found = load_questions(out)
    assert [(one.text, one.choices, one.answer) for one in found] == [
        (row["ask"], tuple(row["choices"]), answer) for row, answer in zip(ROWS, (1, 0, 25), strict=True)
    ]
    assert [one.id for one in found] == ["mine-000000", "mine-000001", "mine-000002"]
    assert {one.benchmark for one in found} == {"mine"} and [one.task for one in found] == ["turn", "count", ""]
    assert [one.video for one in found] == ["a/x.mp4", "a/y.mp4", "b/z.mp4"]
    assert main(["questions", "validate", str(out)]) == 0


def test_objects_of_objects_lists_in_an_object_and_folders_are_read(tmp_path: Path) -> None:
    (tmp_path / "keyed.json").write_text(json.dumps({"k1": {"a": 1}, "k2": {"a": 2}}, indent=1))
    (tmp_path / "inner.json").write_text('{"questions": [{"a": 1},\n {"a": 2}]}')
    keyed, inner = (list(read_rows(tmp_path / f"{name}.json")) for name in ("keyed", "inner"))
    assert [(row.values["@key"], row.values["a"], row.number) for row in keyed] == [("k1", 1, 2), ("k2", 2, 5)]
    assert [(row.values["a"], row.number) for row in inner] == [(1, 1), (2, 2)]
    folder = tmp_path / "set"
    folder.mkdir()
    write(folder / "first.json", ROWS[:1])
    write(folder / "second.csv", ROWS[1:])
    out = tmp_path / "out.jsonl"
    words = [*COLUMNS[:-1], "task=@file", "--source", "both", "--out", str(out)]
    assert main(["questions", "import", str(folder), *words]) == 0
    assert [one.task for one in load_questions(out)] == ["first", "second", "second"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"right": "C"}, "right"), ({"right": None}, "right"), ({"choices": ["one"]}, "choices"),
    ({"choices": ["same", "same"]}, "choices"), ({"choices": 3}, "choices"), ({"choices": ["x", None]}, "choices"),
    ({"choices": [f"n{n}" for n in range(27)]}, "choices"), ({"ask": ""}, "ask"), ({"clip": "../up.mp4"}, "clip"),
    ({"clip": None}, "clip"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "column"), WRONG)
def test_a_wrong_row_is_named_by_file_line_and_column_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], column: str
) -> None:
    file = write(tmp_path / "mine.jsonl", [ROWS[0], {**ROWS[0], **changes}, ROWS[1]])
    said = refused(capsys, tmp_path / "out.jsonl", str(file), *COLUMNS)
    assert f"{file}:2, column {column}" in said and "1 wrong row" in said


def test_lines_of_pretty_json_and_rows_of_parquet_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [ROWS[0], {**ROWS[1], "right": "four"}]
    pretty, table = write(tmp_path / "mine.json", rows), write(tmp_path / "mine.parquet", rows)
    line = 1 + next(n for n, text in enumerate(pretty.read_text().split("\n")) if "a/y" in text)
    assert f"{pretty}:{line - 1}, column right" in refused(capsys, tmp_path / "out.jsonl", str(pretty), *COLUMNS)
    assert f"{table}, row 2, column right" in refused(capsys, tmp_path / "out.jsonl", str(table), *COLUMNS)


def test_wrong_rows_are_left_out_only_when_asked_and_all_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [{**ROWS[0], "right": f"none {n}"} for n in range(7)]
    file, out = write(tmp_path / "mine.jsonl", [*wrong, *ROWS]), tmp_path / "out.jsonl"
    assert main(["questions", "import", str(file), *COLUMNS, "--leave_out", "--out", str(out)]) == 0
    assert "7 wrong rows" in capsys.readouterr().out and len(load_questions(out)) == 3
    listed = (tmp_path / "out.left-out.txt").read_text().splitlines()
    assert [line.partition(", ")[0] for line in listed] == [f"{file}:{number}" for number in range(1, 8)]
    assert load_questions(out)[0].id == "mine-000007"  # a question keeps its number whoever is left out


def test_an_id_that_comes_twice_names_both_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "mine.jsonl", [{**row, "name": "q"} for row in ROWS[:2]])
    said = refused(capsys, tmp_path / "out.jsonl", str(file), *COLUMNS, "id=name")
    assert does_name(said, f"{file}:2", f"{file}:1")


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.json", "[1, 2", "a.json"), ("a.json", '{"a": 1, "a": 2}', "a"), ("a.json", "[{}, 3]", "a.json:1"),
        ("a.json", '[{"x": 1, "x": 2}]', "x"), ("a.json", "[" * 200_000, "a.json"), ("a.json", "", "a.json"),
        ("a.jsonl", '{"x": 1}\n{"x"', "a.jsonl:2"), ("a.jsonl", "", "a.jsonl"), ("a.csv", "a,b\n1,2,3\n", "a.csv:2"),
        ("a.csv", 'a,b\n"1,2\n', "a.csv"), ("a.csv", "a,a\n1,2\n", "a.csv:1"), ("a.parquet", "PAR1 no", "a.parquet"),
        ("a.txt", "a", "a.txt"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, named: str
) -> None:
    (tmp_path / name).write_text(text)
    assert named in refused(capsys, tmp_path / "out.jsonl", str(tmp_path / name), *COLUMNS)


def test_a_column_that_is_not_there_is_named_with_those_that_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "mine.jsonl", ROWS[:1])
    said = refused(capsys, tmp_path / "out.jsonl", str(file), *COLUMNS[:-2], "answer=correct")
    assert does_name(said, "correct", "right", "choices")
    for words in (["video=clip"], ["video=clip", "question=ask", "answer=right", "colour=x"], ["video"]):
        with pytest.raises(GymQAError, match="--columns"):
            parse_columns(words)


def test_choices_may_be_a_column_each_lines_of_the_question_or_apart_from_the_right_one(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    each: list[dict[str, Any]] = [
        {"v": "a.mp4", "q": "Which?", "a": "x", "b": "y", "c": "z", "r": "c"},
        {"v": "b.mp4", "q": "Is it?", "a": "yes", "b": "no", "c": "", "r": 1},
    ]
    write(tmp_path / "each.jsonl", each)
    words = ["--columns", "video=v", "question=q", "answer=r", "options=a,b,c", "cluster=q", "--out", str(out)]
    assert main(["questions", "import", str(tmp_path / "each.jsonl"), *words]) == 0
    assert [(one.choices, one.answer) for one in load_questions(out)] == [(("x", "y", "z"), 2), (("yes", "no"), 1)]
    write(tmp_path / "lines.jsonl", [{"v": "a", "q": "Which?\nA. x\nB. y", "r": "B. y"}])
    assert main(["questions", "import", str(tmp_path / "lines.jsonl"), *words[:4], "--out", str(out)]) == 0
    (one,) = load_questions(out)
    assert (one.text, one.choices, one.answer) == ("Which?", ("x", "y"), 1)
    write(tmp_path / "apart.jsonl", [{"v": f"{n}", "q": "Which?", "r": "x", "w": ["y", "z"]} for n in range(30)])
    apart = [*words[:4], "wrong=w", "--out", str(out)]
    assert main(["questions", "import", str(tmp_path / "apart.jsonl"), *apart]) == 0
    drawn = load_questions(out)
    assert all(one.choices[one.answer] == "x" and set(one.choices) == {"x", "y", "z"} for one in drawn)
    assert {one.answer for one in drawn} == {0, 1, 2}
    first = out.read_bytes()
    assert main(["questions", "import", str(tmp_path / "apart.jsonl"), *apart]) == 0 and out.read_bytes() == first


@given(st.integers(2, 26), st.data())
def test_letter_index_and_text_mean_the_same_choice(n_choices: int, data: st.DataObject) -> None:
    choices = [f"move {index}" for index in range(n_choices)]
    right = data.draw(st.integers(0, n_choices - 1))
    letter = LETTERS[right]
    for answer in (
        letter,
        f"({letter})",
        letter.lower(),
        f"{letter}. {choices[right]}",
        right,
        str(right),
        choices[right],
    ):
        assert right_index(answer, choices) == right
    assert right_index(right + 1, choices, "index-from-1") == right


@pytest.mark.parametrize(
    ("answer", "choices"),
    [("2", ["2", "3", "1"]), (1, ["1", "0"]), ("B", ["B", "A"]), ("D", ["x", "y"]), (True, ["x", "y"])],
)
def test_an_answer_of_two_meanings_or_none_is_no_answer(answer: Any, choices: list[str]) -> None:
    with pytest.raises(GymQAError, match=naming(repr(answer))):
        right_index(answer, choices)


def test_a_stated_form_decides_between_two_meanings() -> None:
    assert right_index("2", ["2", "3", "1"], "text") == 0
    assert right_index("2", ["2", "3", "1"], "index") == 2
    assert right_index("B", ["B", "A"], "letter") == 1


def test_lines_that_are_no_lettered_choices_stay_in_the_question() -> None:
    assert split_lettered("One?\nTwo?\n(A) x\n(B) y", "here") == ("One?\nTwo?", ["x", "y"])
    for text in ("No choices?", "Which?\nA. x\nC. y", "A. x\nB. y"):
        with pytest.raises(GymQAError, match="here"):
            split_lettered(text, "here")


def test_a_set_on_the_hub_is_read_by_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "me" / "mine").mkdir(parents=True)
    write(tmp_path / "me" / "mine" / "test.parquet", ROWS)
    monkeypatch.chdir(tmp_path)  # `datasets` takes a local folder of that name for the data set
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = list(load_rows("me/mine", columns={"clip", "right"}))
    assert [row.values["clip"] for row in rows] == [row["clip"] for row in ROWS]
    assert "ask" not in rows[0].values and rows[1].place("right") == "hub:me/mine, row 2, column right"
    with pytest.raises(GymQAError, match="train"):
        list(load_rows("me/mine", split="train"))


def test_a_set_that_the_hub_does_not_have_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hub_of_this_process(HubSite(status=404)):
        said = refused(capsys, tmp_path / "out.jsonl", "hub:nobody/nothing", *COLUMNS)
    assert does_name(said, "nobody/nothing")
    assert does_name(refused(capsys, tmp_path / "out.jsonl", "hub:nothing", *COLUMNS), "nothing")
