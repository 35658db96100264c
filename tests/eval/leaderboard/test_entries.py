"""Results are read from files and folders, and what does not fit together is named with its mend."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from eval.leaderboard.entries import as_runs, read_entries, read_question_files
from eval.leaderboard.rows import build_rows
from eval.leaderboard.schema import ModelRun
from eval.metrics.binary import binary_questions
from eval.metrics.circular import rotations
from eval.report.analyses import analyse
from eval.run.results import load_result, save_result
from gymqa.cli.commands.answers.metrics import group_metrics
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.questions.schema import Prediction
from tests.helpers.leaderboard_example import answered
from tests.helpers.naming import does_name, naming
from tests.helpers.site_example import put, write_questions, write_site_inputs


def test_a_folder_is_searched_and_a_predictions_file_stands_for_its_result(tmp_path: Path) -> None:
    results, questions = write_site_inputs(tmp_path)
    asked = read_question_files([questions])
    assert [one.benchmark for one in asked] == ["gym-qa", "gym-new"]
    runs = as_runs(read_entries([results], asked))
    assert {(run.model, run.control, run.n_frames) for run in runs} == {
        ("watcher", "none", 2),
        ("watcher", "none", 4),
        ("watcher", "none", 8),
        ("watcher", "shuffled", 8),
        ("sleeper", "none", None),
        ("sleeper", "shuffled", None),
    }
    assert all(set(run.predictions) == {"gym-qa", "gym-new"} for run in runs)
    one = results / "watcher-8" / "gym-qa.jsonl"
    (entry,) = read_entries([one, one.parent / "gym-qa.result.json"], asked)
    assert entry.result.n_frames == 8 and len(entry.predictions) == 24


def test_hidden_results_of_a_folder_are_not_read(tmp_path: Path) -> None:
    results, questions = write_site_inputs(tmp_path)
    folder, asked = results / "sleeper-none", read_question_files([questions])
    before = read_entries([results], asked)
    shutil.copy(folder / "gym-qa.result.json", folder / ".gym-qa.result.json")
    shutil.copytree(folder, results / ".sleeper-again")
    assert read_entries([results], asked) == before


def test_predictions_that_were_changed_are_named(tmp_path: Path) -> None:
    results, questions = write_site_inputs(tmp_path)
    changed = results / "watcher-8" / "gym-qa.jsonl"
    changed.write_text(changed.read_text().replace('"choice": 0', '"choice": 1', 1))
    with pytest.raises(GymQAError, match=naming(changed, "gym-qa.result.json")):
        read_entries([results], read_question_files([questions]))


def test_a_result_of_other_questions_is_named(tmp_path: Path) -> None:
    results, questions = write_site_inputs(tmp_path)
    with pytest.raises(GymQAError, match=naming("gym-new.result.json", "gym-new.jsonl", "--questions")):
        read_entries([results], read_question_files([questions / "gym-qa.jsonl"]))
    file = questions / "gym-qa.jsonl"
    file.write_text(file.read_text().replace("Which?", "What?"))
    with pytest.raises(GymQAError, match=naming("gym-qa.result.json", "gym-qa.jsonl", "--questions")):
        read_entries([results], read_question_files([questions]))


def test_two_results_of_one_model_are_named(tmp_path: Path) -> None:
    results, questions = write_site_inputs(tmp_path)
    shutil.copytree(results / "sleeper-none", results / "sleeper-again")
    with pytest.raises(GymQAError, match=naming("sleeper-none", "sleeper-again", "--name")):
        read_entries([results], read_question_files([questions]))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"question_id": "q-unknown"}, ("q-unknown", "gym-qa.jsonl")),
        ({"clip_id": "other"}, ("gym-qa-0", "gym-qa.jsonl")),
        ({"choice": 7}, (7, 4, "gym-qa-0")),
        ({"probabilities": (0.5, 0.5)}, ("gym-qa-0", "probabilities")),
    ],
)
def test_predictions_that_these_questions_do_not_explain_are_named(
    tmp_path: Path, change: dict[str, object], what: tuple[object, ...]
) -> None:
    path, questions = write_questions(tmp_path)["gym-qa"]
    first, *others = answered(questions, 9)
    put(tmp_path / "r", path, [replace(first, **change), *others], "m")  # type: ignore[arg-type]
    with pytest.raises(GymQAError, match=naming("gym-qa.result.json", *what)):
        read_entries([tmp_path / "r"], read_question_files([path]))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ((math.nan, 0.5, 0.2, 0.3), "nan"),
        ((math.inf, 0.0, 0.0, 0.0), "inf"),
        ((-0.5, 0.5, 0.5, 0.5), "-0.5"),
        ((5.0,) * 4, "5.0"),
        ((0.9, 0.9, 0.1, 0.1), "2"),
    ],
)
def test_numbers_that_are_no_distribution_are_refused_with_their_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: tuple[float, ...], what: str
) -> None:
    path, questions = write_questions(tmp_path)["gym-qa"]
    first, second, *others = answered(questions, 9)
    put(tmp_path / "r", path, [first, replace(second, probabilities=values), *others], "m")
    assert main(["report", str(tmp_path / "r"), "--questions", str(path), "--out", str(tmp_path / "site")]) == 2
    message = capsys.readouterr().err
    assert does_name(message, "gym-qa.jsonl:2", "gym-qa-1", "probabilities", what) and message.count("\n") == 1
    assert not list((tmp_path / "site").glob("*"))


def test_a_question_answered_twice_is_named(tmp_path: Path) -> None:
    path, questions = write_questions(tmp_path)["gym-qa"]
    found = answered(questions, 9)
    put(tmp_path / "r", path, [*found, found[0]], "m")
    with pytest.raises(GymQAError, match=naming("gym-qa.result.json", "gym-qa-0")):
        read_entries([tmp_path / "r"], read_question_files([path]))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    _, questions = write_site_inputs(tmp_path)
    asked = read_question_files([questions])
    with pytest.raises(GymQAError, match=naming(questions, "*.result.json")):
        read_entries([questions], asked)
    with pytest.raises(GymQAError, match=naming("none.result.json", "gymqa evaluate")):
        read_entries([tmp_path / "none.jsonl"], asked)
    again = Path(shutil.copy(questions / "gym-qa.jsonl", tmp_path / "again.jsonl"))
    with pytest.raises(GymQAError, match=naming("again.jsonl", "gym-qa", questions / "gym-qa.jsonl")):
        read_question_files([questions, again])
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(GymQAError, match=naming("empty.jsonl")):
        read_question_files([tmp_path / "empty.jsonl"])


def test_answers_in_twos_stand_beside_the_plain_ones_and_are_no_questions_of_the_table(tmp_path: Path) -> None:
    path, questions = write_questions(tmp_path, 12)["gym-qa"]
    twos = [one for question in questions for one in binary_questions(question)]
    said = [Prediction(one.id, one.clip_id, one.video_id, "gym-qa", one.answer if number % 3 or number < 9 else None,
                       one.answer) for number, one in enumerate(twos)]  # fmt: skip
    result = put(tmp_path / "twos", path, said, "model")
    save_result(result, load_result(result).model_copy(update={"binaries": True}))
    asked = read_question_files([path])
    (run,) = as_runs(read_entries([tmp_path / "twos"], asked))
    (binary, multiple) = build_rows({"gym-qa": questions}, [run], resamples=50)
    assert (binary.metric, binary.value, binary.answered_rate) == ("binary", 0.75, 0.75)
    assert (multiple.metric, multiple.value) == ("multiple_binary", 0.25)
    put(tmp_path / "plain", path, answered(questions, 9), "model")
    (run,) = as_runs(read_entries([tmp_path / "plain", tmp_path / "twos"], asked))
    values = {row.metric: row.value for row in build_rows({"gym-qa": questions}, [run], resamples=50)}
    assert values == {"accuracy": 0.75, "binary": 0.75, "multiple_binary": 0.25, "binary_by_probability": 0.25}
    evidence = analyse({"gym-qa": questions}, [run], build_rows({"gym-qa": questions}, [run], resamples=50))
    (shown,) = evidence.binaries
    assert shown["asked"] and [cell[0] for cell in shown["cells"]] == [0.75, 0.75, 0.25]


def test_answers_under_rotations_stand_beside_the_plain_ones(tmp_path: Path) -> None:
    path, questions = write_questions(tmp_path, 12)["gym-qa"]
    rotated = [one for question in questions for one in rotations(question)]
    always_a = [Prediction(one.id, one.clip_id, one.video_id, "gym-qa", 0, one.answer) for one in rotated]
    result = put(tmp_path / "r", path, always_a, "always A")
    save_result(result, load_result(result).model_copy(update={"rotations": 4}))
    asked = read_question_files([path])
    (run,) = as_runs(read_entries([tmp_path / "r"], asked))
    assert len(run.predictions["gym-qa"]) == 12 and len(run.rotated["gym-qa"]) == 48
    values = {row.metric: row.value for row in build_rows({"gym-qa": questions}, [run], resamples=50)}
    assert values == {"accuracy": 0.25, "circular": 0, "rotation_averaged": 0.25}
    found = group_metrics(questions, always_a)
    assert {metric: one["value"] for metric, one in found.items()} == {
        "gym-qa circular": 0, "gym-qa rotation averaged": 0.25
    }  # fmt: skip
    right = [replace(one, choice=one.answer) for one in always_a]
    assert {one["value"] for one in group_metrics(questions, right).values()} == {1.0}
    put(tmp_path / "plain", path, answered(questions, 9), "always A")
    (run,) = as_runs(read_entries([tmp_path / "plain", tmp_path / "r"], asked))
    assert build_rows({"gym-qa": questions}, [run], resamples=50)[0].value == 0.75


def test_twos_and_rotations_stand_beside_the_accuracy_of_as_many_frames(tmp_path: Path) -> None:
    _, questions = write_questions(tmp_path, 12)["gym-qa"]
    turned = [one for question in questions for one in rotations(question)]
    right = [Prediction(one.id, one.clip_id, one.video_id, "gym-qa", one.answer, one.answer) for one in turned]
    plain = right[::4]
    few = ModelRun("m", "", {"gym-qa": plain}, n_frames=4, rotated={"gym-qa": right})
    twos = [one for question in questions for one in binary_questions(question)]
    said = [Prediction(one.id, one.clip_id, one.video_id, "gym-qa", one.answer, one.answer) for one in twos]
    many = ModelRun("m", "", {"gym-qa": answered(questions, 3)}, n_frames=8)
    runs = [replace(few, binaries={"gym-qa": said}), many]
    evidence = analyse({"gym-qa": questions}, runs, build_rows({"gym-qa": questions}, runs, resamples=50), resamples=50)
    for (shown,) in (evidence.rotations, evidence.binaries):
        assert shown["model"] == "m, 4 frames" and [cell[0] for cell in shown["cells"]] == [1, 1, 1]
