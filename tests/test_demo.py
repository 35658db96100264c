"""The whole road at its smallest: every row of the leaderboard, once, and nothing done twice."""

from dataclasses import replace
from pathlib import Path

import pytest

from gymqa.atomic import read_json
from gymqa.cli import main
from gymqa.demo import Demo, DemoConfig
from gymqa.sim.release import ReleaseConfig

BENCHMARKS = {"gym-qa", "gym-qa-hard", "gym-new"}


def smallest() -> DemoConfig:
    config = DemoConfig(
        release=ReleaseConfig(train_videos=3, val_videos=2, raw_videos=1, size=64), labelled_fraction=0.4
    )
    training = replace(config.training, steps=4, warm_up_steps=2, labelled_batch=4, unlabelled_batch=4)
    return replace(config, training=training, views=1, tuning_steps=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "run"
    Demo(out, smallest()).walk()
    return out


def test_the_leaderboard_has_every_row_of_every_benchmark(folder: Path) -> None:
    board = read_json(folder / "leaderboard.json")
    asked = {(row["model"], row["encoder"], row["benchmark"]) for row in board["rows"] if row["metric"] == "accuracy"}
    models = {(model, encoder) for model, encoder, _ in asked}
    assert {benchmark for _, _, benchmark in asked} == BENCHMARKS
    assert len(asked) == len(models) * len(BENCHMARKS)
    assert {encoder for model, encoder in models if model == "tiny-vicuna"} == {
        "SeFAR",
        "supervised only",
        "image ViT, per frame",
    }
    assert {"chance", "oracle-event", "oracle-set", "tiny-vicuna, blind"} <= {model for model, _ in models}
    recognized = [row for row in board["rows"] if row["benchmark"] == "recognition"]
    assert {row["metric"] for row in recognized} == {"top1", "mean_class", "mAP"} and len(recognized) == 6
    assert all(0 <= row["ci_low"] <= row["ci_high"] <= 1 and row["answered_rate"] == 1 for row in board["rows"])
    assert board["environment"]["seed"] == smallest().seed


def test_the_page_stands_beside_it_and_asks_nothing_of_any_server(folder: Path) -> None:
    page = (folder / "leaderboard.html").read_text()
    assert "tiny-vicuna" in page and 'src="http' not in page and "data:image/jpeg" in page


def test_a_second_run_does_nothing_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in sorted((folder / "steps").iterdir())}
    board = (folder / "leaderboard.json").read_bytes()
    Demo(folder, smallest()).walk()
    assert {path: path.stat().st_mtime_ns for path in sorted((folder / "steps").iterdir())} == stamps
    assert (folder / "leaderboard.json").read_bytes() == board
    assert "gym-qa" in capsys.readouterr().out


def test_the_unlabelled_list_has_ids_only(folder: Path) -> None:
    lines = (folder / "splits" / "unlabelled.txt").read_text().split("\n")
    assert all(len(line.split()) <= 1 for line in lines)


def test_ask_answers_with_the_run_and_refuses_what_it_cannot_read(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = next((folder / "release" / "subactions").iterdir())
    choices = ["--choices", "salto forward tucked", "salto backward tucked", "split jump", "giant circle forward"]
    question = "What gymnastics move is this athlete performing?"
    assert main(["ask", str(clip), question, *choices, "--run", str(folder)]) == 0
    lines = capsys.readouterr().out.strip().split("\n")
    assert [line[0] for line in lines] == list("ABCD")
    assert sum(float(line.split()[1]) for line in lines) == pytest.approx(1, abs=0.005)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert main(["ask", str(empty), question, *choices, "--run", str(folder)]) == 2
    assert str(empty) in capsys.readouterr().err


def test_an_out_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
