"""Rows count every question, guessers are exact, and the files and the terminal table say the same."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from eval.adapters.baselines import chance
from eval.leaderboard.rows import build_rows, drop_drawn_guesses, score, unanswered_items
from eval.leaderboard.schema import ModelRun, Row
from eval.report.leaderboard import print_table, write_leaderboard
from eval.report.page import Page
from eval.stats.bootstrap import mean_interval
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from tests.helpers.leaderboard_example import GUESSERS, answered, questions, recognizer, run
from tests.helpers.naming import naming
from tests.helpers.site_example import write_questions

BENCHMARKS = {name: questions(name) for name in ("gym-qa", "gym-qa-hard")}
RUNS = [run("tiny-vicuna", "SeFAR", 9, BENCHMARKS), run("tiny-vicuna", "image", 4, BENCHMARKS)]


def rows() -> list[Row]:
    return build_rows(BENCHMARKS, RUNS, GUESSERS, [recognizer()], resamples=500)


def test_an_unanswered_question_is_wrong_and_lowers_the_answered_rate() -> None:
    row = rows()[0]
    assert (row.model, row.encoder, row.benchmark, row.metric) == ("tiny-vicuna", "SeFAR", "gym-qa", "accuracy")
    assert row.value == 9 / 12 and row.n == 12
    assert row.answered_rate == pytest.approx(11 / 12)
    assert 0 < row.ci_low < row.value < row.ci_high <= 1


def test_a_question_without_a_prediction_is_wrong_too() -> None:
    asked = BENCHMARKS["gym-qa"]
    points, rate = score(asked, answered(asked, 9)[:6])
    assert points.sum() == 6 and rate == 0.5


def test_the_interval_is_clustered_by_video() -> None:
    row = rows()[0]
    asked = BENCHMARKS["gym-qa"]
    points = [1.0] * 9 + [0.0] * 3
    expected = mean_interval(points, [question.video_id for question in asked])
    assert (row.ci_low, row.ci_high) == pytest.approx((expected.low, expected.high))


def test_guessers_have_their_exact_value() -> None:
    found = {(row.model, row.benchmark): row for row in rows()}
    assert found["chance", "gym-qa"].value == found["chance", "gym-qa"].ci_low == 0.25
    assert found["oracle-event", "gym-qa-hard"].value == 0.5
    assert found["chance", "gym-qa"].answered_rate == 1


def test_what_a_guesser_drew_does_not_replace_its_exact_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    questions = write_questions(tmp_path)["gym-qa"][0]
    asked = ["--questions", str(questions), "--out"]
    guess = ["--adapter", "chance", "--controls", "none", "shuffled"]
    for words in (guess, ["--adapter", "scripted", "--model", "A", "--name", "always-a"]):
        assert main(["evaluate", *words, *asked, str(tmp_path / "results" / words[-1])]) == 0
    capsys.readouterr()
    out = tmp_path / "site"
    assert main(["report", str(tmp_path / "results"), *asked, str(out), "--resamples", "50"]) == 0
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "left out: chance, drawn by chance; the table has the exact values"
    rows = json.loads((out / "leaderboard.json").read_text())["rows"]
    assert [(row["model"], row["value"], row["ci_low"]) for row in rows if row["model"] != "always-a"] == [
        ("chance", 0.25, 0.25)
    ]
    with pytest.raises(GymQAError, match=naming("chance", "--name")):
        build_rows(BENCHMARKS, [run("chance", "", 9, BENCHMARKS)], GUESSERS)


def test_an_oracle_stays_where_its_exact_row_is_not_there() -> None:
    drawn = replace(run("oracle-event", "", 9, BENCHMARKS), adapter="oracle-event")
    assert drop_drawn_guesses([drawn], [chance()]) == ([drawn], "")
    assert drop_drawn_guesses([drawn], GUESSERS)[0] == []


def test_recognizers_have_three_metrics() -> None:
    found = [row for row in rows() if row.benchmark == "recognition"]
    assert [row.metric for row in found] == ["top1", "mean_class", "mAP"]
    assert found[0].value == 9 / 12 and found[0].answered_rate == pytest.approx(11 / 12)


def test_predictions_of_other_questions_are_refused() -> None:
    asked = BENCHMARKS["gym-qa"]
    found = answered(asked, 9)
    with pytest.raises(GymQAError, match=naming("nowhere")):
        score(asked, [replace(found[0], question_id="nowhere")])
    with pytest.raises(GymQAError, match=naming("gym-qa-0")):
        score(asked, [replace(found[0], clip_id="another")])
    with pytest.raises(GymQAError, match="twice"):
        score(asked, [found[0], found[0]])
    with pytest.raises(GymQAError, match=naming("gym-new")):
        build_rows(BENCHMARKS, [ModelRun("m", "", {"gym-new": []})])
    with pytest.raises(GymQAError, match=naming("gym-qa")):
        build_rows({"gym-qa": []})


def test_a_failed_clip_is_listed_once_with_all_it_concerns() -> None:
    (item,) = unanswered_items(BENCHMARKS, RUNS, [recognizer()])
    assert (item.clip_id, item.reason) == ("clip11", "clip11.mp4 is empty")
    assert item.benchmarks == ("gym-qa", "gym-qa-hard", "recognition")
    assert item.models == ("tiny-vicuna · SeFAR", "tiny-vicuna · image", "SeFAR")


def test_the_json_file_holds_rows_and_environment(tmp_path: Path) -> None:
    write_leaderboard(tmp_path, Page("t", tuple(rows()), {"seed": 0}))
    found = json.loads((tmp_path / "leaderboard.json").read_text())
    assert found["environment"] == {"seed": 0}
    assert [Row(**row) for row in found["rows"]] == rows()
    names = ["model", "encoder", "benchmark", "metric", "value", "ci_low", "ci_high", "n", "answered_rate"]
    assert list(found["rows"][0])[:9] == names
    assert {path.name for path in tmp_path.iterdir()} == {
        f"leaderboard.{one}" for one in ("json", "html", "md", "csv", "tex")
    }


def test_a_value_that_is_no_share_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    for value in (1.5, float("nan")):
        with pytest.raises(GymQAError, match=naming("tiny-vicuna", "gym-qa", [0, 1])):
            write_leaderboard(tmp_path, Page("t", (replace(rows()[0], value=value),), {}))
    assert list(tmp_path.iterdir()) == []


def test_the_table_fits_100_columns_and_shows_names_as_they_are() -> None:
    out = io.StringIO()
    odd = replace(rows()[0], model="[bold]odd[/bold]\x1b[31m")
    new = [replace(row, benchmark="gym-new") for row in rows() if row.benchmark == "gym-qa"]
    print_table([*rows(), *new, odd], Console(file=out, width=100))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any("[bold]odd[/bold]" in line for line in lines) and "\x1b" not in out.getvalue()
    (best,) = [line for line in lines if line.strip().startswith("tiny-vicuna · SeFAR")]
    assert "75.0 [" in best and best.rstrip().endswith("91.7")
