"""--questions means the same to every command: a folder is all that lies below it, each file read once."""

import json
from pathlib import Path

import pytest

from eval.question_files import read_files
from gymqa.cli import main
from gymqa.commands.asked_files import choose_files
from gymqa.errors import GymQAError
from gymqa.questions import save_questions
from tests.leaderboard_example import questions
from tests.site_example import BENCHMARKS


def write_nested(folder: Path) -> Path:
    """Question files two folders deep, as `gymqa questions build` is told to write them in docs/hub.md."""
    for name in BENCHMARKS:
        save_questions(folder / "q" / name / "val.jsonl", questions(name, 12))
    return folder / "q"


def test_what_evaluate_asks_of_a_folder_report_scores_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--questions", str(write_nested(tmp_path))]
    assert main(["evaluate", "--adapter", "scripted", "--model", "A", "--out", str(tmp_path / "r"), *asked]) == 0
    site = ["--out", str(tmp_path / "site"), "--resamples", "50"]
    assert main(["report", str(tmp_path / "r"), *asked, *site]) == 0, capsys.readouterr().err
    rows = json.loads((tmp_path / "site" / "leaderboard.json").read_text())["rows"]
    assert {row["benchmark"]: row["n"] for row in rows if row["model"] == "A"} == dict.fromkeys(BENCHMARKS, 12)


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    folder = write_nested(tmp_path)
    found = read_files([folder, folder / "gym-qa" / "val.jsonl", folder / "gym-new" / ".." / "gym-qa"])
    assert [one.benchmark for one in found] == ["gym-new", "gym-qa"]
    assert list(choose_files([folder, folder], None, None)) == ["gym-new", "gym-qa"]


def test_several_files_of_a_benchmark_are_answered_by_their_names(tmp_path: Path) -> None:
    folder = write_nested(tmp_path)
    save_questions(folder / "gym-qa" / "train.jsonl", questions("gym-qa", 4))
    assert list(choose_files([folder / "gym-qa"], None, None)) == ["gym-qa-train", "gym-qa-val"]


def test_what_holds_no_question_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "released.json").touch()
    for name, why in (
        ("empty", "holds no .jsonl file"),
        ("empty.jsonl", "holds no question"),
        ("released.json", "is no .jsonl file"),
        ("none.jsonl", "does not exist"),
    ):
        with pytest.raises(GymQAError, match=why):
            read_files([tmp_path / name])
        with pytest.raises(GymQAError, match=why):
            choose_files([tmp_path / name], None, None)
