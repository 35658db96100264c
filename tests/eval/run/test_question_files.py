"""--questions means the same to every command: a folder is all that lies below it, each file read once."""

import json
import shutil
from pathlib import Path

import pytest

from eval.run.question_files import choose_files, read_files
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.questions.files import save_questions, to_line
from tests.helpers.leaderboard_example import answered, questions
from tests.helpers.naming import does_name, naming
from tests.helpers.site_example import BENCHMARKS


def write_nested(folder: Path) -> Path:
    """Question files two folders deep, as `gymqa questions build` is told to write them in docs/hub.md."""
    for name in BENCHMARKS:
        save_questions(folder / "q" / name / "val.jsonl", questions(name, 12))
    return folder / "q"


@pytest.mark.slow
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


def test_hidden_files_of_a_folder_are_no_questions(tmp_path: Path) -> None:
    folder = write_nested(tmp_path)
    shutil.copy(folder / "gym-qa" / "val.jsonl", folder / "gym-qa" / "._val.jsonl")
    shutil.copytree(folder / "gym-new", folder / ".gym-new")
    assert [one.benchmark for one in read_files([folder])] == ["gym-new", "gym-qa"]
    assert list(choose_files([folder], None, None)) == ["gym-new", "gym-qa"]


def test_several_files_of_a_benchmark_are_answered_by_their_names(tmp_path: Path) -> None:
    folder = write_nested(tmp_path)
    save_questions(folder / "gym-qa" / "train.jsonl", questions("gym-qa", 4))
    assert list(choose_files([folder / "gym-qa"], None, None)) == ["gym-qa-train", "gym-qa-val"]


def test_what_holds_no_question_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "released.json").touch()
    for name in ("empty", "empty.jsonl", "released.json", "none.jsonl"):
        with pytest.raises(GymQAError, match=naming(name)):
            read_files([tmp_path / name])
        with pytest.raises(GymQAError, match=naming(name)):
            choose_files([tmp_path / name], None, None)


def test_of_a_folder_metrics_takes_the_file_that_was_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_nested(tmp_path)
    asked = ["--questions", str(folder)]
    out = tmp_path / "r"
    words = ["--adapter", "scripted", "--model", "A", "--out", str(out), "--rotations", "all", *asked]
    assert main(["evaluate", *words]) == 0
    capsys.readouterr()
    for name in BENCHMARKS:
        file = str(next(out.glob(f"{name}.*jsonl")))
        assert main(["metrics", file, *asked]) == 0, capsys.readouterr().err
        of_folder = capsys.readouterr().out
        assert f"{name} circular" in of_folder
        assert main(["metrics", file, "--questions", str(folder / name / "val.jsonl")]) == 0
        assert capsys.readouterr().out == of_folder
        others = folder / next(other for other in BENCHMARKS if other != name)
        save_questions(others / "more.jsonl", questions(others.name, 4))
        assert main(["metrics", file, "--questions", str(others)]) == 2
        assert does_name(capsys.readouterr().err, 2, others, file)


def test_of_files_that_ask_the_same_metrics_takes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_nested(tmp_path)
    save_questions(folder / "gym-qa" / "copy.jsonl", questions("gym-qa", 12))
    file = tmp_path / "p.jsonl"
    file.write_text("".join(to_line(one) + "\n" for one in answered(questions("gym-qa", 12), 6)))
    assert main(["metrics", str(file), "--questions", str(folder)]) == 2
    assert does_name(capsys.readouterr().err, folder / "gym-qa" / "copy.jsonl", folder / "gym-qa" / "val.jsonl")
