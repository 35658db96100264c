"""One command asks several benchmarks under several controls; every file says what it is, and nothing is made twice."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from eval.results import load_result, result_path
from gymqa import cli
from gymqa.questions import load_predictions, load_questions
from tests.evaluation_world import LOST, EvaluationWorld, make_world

ROOT = Path(__file__).parents[1]
SCRIPT = str(ROOT / "scripts" / "evaluate.py")


@pytest.fixture(scope="module")
def asked_world(tmp_path_factory: pytest.TempPathFactory) -> EvaluationWorld:
    return make_world(tmp_path_factory.mktemp("evaluation"))


def words(world: EvaluationWorld, model: Path, out: Path, *more: str) -> list[str]:
    return ["--model", str(model), "--questions", str(world.questions), "--out", str(out), *more]


def evaluated(world: EvaluationWorld, model: Path, out: Path, *more: str) -> dict[str, bytes]:
    """Run the command; its predictions and results by name."""
    assert cli.main(["evaluate", *words(world, model, out, *more)]) == 0
    return files(out)


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def test_several_benchmarks_and_controls_are_one_command(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, controls = asked_world, ("none", "no-video", "frozen", "shuffled", "mismatched")
    seen = ["--features", str(world.features), "--frames", str(world.frames), "--encode_with", str(world.recognizer)]
    made = evaluated(world, world.mllm, tmp_path, *seen, "--controls", *controls)
    names = {f"{benchmark}{'' if control == 'none' else '.' + control}" for benchmark in ("gym-qa", "gym-qa-hard")
             for control in controls}  # fmt: skip
    assert {f"{name}.{kind}" for name in names for kind in ("jsonl", "result.json")} <= made.keys()
    printed = capsys.readouterr().out
    assert printed.count("right") == 10 and f"{tmp_path}/gym-qa.shuffled.jsonl: " in printed
    assert sorted(path.name for path in (tmp_path / "features").iterdir() if path.is_dir()) == [
        "frozen", "mismatched", "shuffled"
    ]  # fmt: skip
    probabilities = {}
    for control in controls:
        out = tmp_path / ("gym-qa.jsonl" if control == "none" else f"gym-qa.{control}.jsonl")
        result, predictions = load_result(result_path(out)), load_predictions(out)
        assert (result.control, result.benchmark, result.model.adapter) == (control, "gym-qa", "gymqa")
        assert result.questions.name == "gym-qa.jsonl" and result.environment["versions"]["torch"]
        lost = [one.clip_id for one in predictions if one.choice is None]
        assert lost == ([] if control == "no-video" else [LOST])
        probabilities[control] = [one.probabilities for one in predictions]
    assert all(probabilities["none"] != probabilities[control] for control in controls[1:])
    again = evaluated(world, world.mllm, tmp_path, *seen, "--controls", *controls)
    assert again == made


def launched(*command: str) -> str:
    """What a command of several processes prints."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ran = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the processes of a launch: the number of threads changes the last digits of sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_three_processes_give_the_files_of_one(asked_world: EvaluationWorld, tmp_path: Path, one_thread: None) -> None:
    """Features under the control are made by one of them, while the others wait."""
    world = asked_world
    seen = ["--frames", str(world.frames), "--encode_with", str(world.recognizer), "--controls", "reversed"]
    alone = evaluated(world, world.mllm, tmp_path / "1", *seen, "--batch_size", "5")
    accelerate = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "3", SCRIPT]
    printed = launched(*accelerate, *words(world, world.mllm, tmp_path / "3", *seen, "--batch_size", "5"))
    assert files(tmp_path / "3") == alone
    assert len(alone) == 4 and printed.count("right") == 2 and not list((tmp_path / "3").glob("*.parts"))


def test_two_processes_give_the_files_of_one_at_any_batch_size(
    asked_world: EvaluationWorld, tmp_path: Path, one_thread: None
) -> None:
    world, seen = asked_world, ["--frames", str(asked_world.frames)]
    alone = evaluated(world, world.recognizer, tmp_path / "1", *seen, "--batch_size", "64")
    more = words(world, world.recognizer, tmp_path / "2", *seen, "--batch_size", "3")
    launched(SCRIPT, *more, "--num_processes", "2", "--cpu")
    assert files(tmp_path / "2") == alone


def test_a_batch_size_changes_no_choice_and_no_probability_by_more_than_a_digit(
    asked_world: EvaluationWorld, tmp_path: Path
) -> None:
    found = []
    for size in ("1", "7", "64"):
        evaluated(
            asked_world, asked_world.mllm, tmp_path / size, "--features", str(asked_world.features),
            "--benchmark", "gym-qa-hard", "--batch_size", size,
        )  # fmt: skip
        found.append(load_predictions(tmp_path / size / "gym-qa-hard.jsonl"))
    for other in found[1:]:
        assert [one.choice for one in other] == [one.choice for one in found[0]]
        for one, first in zip(other, found[0], strict=True):
            assert one.probabilities == (
                pytest.approx(first.probabilities, abs=1.5e-4) if first.probabilities else None
            )


def test_a_recognizer_sees_the_frames_under_each_control(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = asked_world
    seen = ["--frames", str(world.frames), "--controls", "none", "reversed"]
    made = evaluated(world, world.recognizer, tmp_path / "folder", *seen)
    assert made["gym-qa.jsonl"] != made["gym-qa.reversed.jsonl"]
    asked = load_questions(world.questions / "gym-qa.jsonl")
    (tmp_path / "list.txt").write_text("".join(f"{one.clip_id} {one.element}\n" for one in asked))
    saved, clips = tmp_path / "r.jsonl", ["--clips", str(tmp_path / "list.txt")]
    assert cli.main(["predict", str(world.recognizer), str(world.frames), "--out", str(saved), *clips,
                     "--control", "reversed"]) == 0  # fmt: skip
    assert cli.main(["evaluate", *words(world, saved, tmp_path / "file")]) == 2
    assert "was predicted under the control reversed, not none" in capsys.readouterr().err
    by_file = evaluated(world, saved, tmp_path / "file", "--controls", "reversed")
    assert by_file["gym-qa.reversed.jsonl"] == made["gym-qa.reversed.jsonl"]


def test_all_rotations_of_the_choices_are_asked(asked_world: EvaluationWorld, tmp_path: Path) -> None:
    made = evaluated(
        asked_world, asked_world.recognizer, tmp_path, "--frames", str(asked_world.frames), "--rotations", "all",
        "--tier", "set",
    )  # fmt: skip
    assert made.keys() == {"gym-qa-hard.rotated.jsonl", "gym-qa-hard.rotated.result.json"}
    predictions = load_predictions(tmp_path / "gym-qa-hard.rotated.jsonl")
    asked = load_questions(asked_world.questions / "gym-qa-hard.jsonl")
    assert len(predictions) == sum(len(question.choices) for question in asked)
    assert load_result(tmp_path / "gym-qa-hard.rotated.result.json").rotations == 4


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (["--controls", "upside-down"], "there is no control 'upside-down'"),
        (["--controls", "none", "frozen"], "the control frozen needs its own features"),
        (["--controls", "frozen", "--frames", "FRAMES", "--encode_with", "image"], "was tuned with another encoder"),
        (["--benchmark", "gym-new"], "no file of questions is left to be asked; --questions has gym-qa, gym-qa-hard"),
        (["--out", "x.jsonl"], "x.jsonl can hold the answers to one file of questions under one control"),
        (["--adapter", "oracle"], "there is no adapter 'oracle'"),
        (["--questions", "none.jsonl"], "none.jsonl does not exist"),
    ],
)
def test_wrong_input_is_told_in_one_sentence(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], complaint: str
) -> None:
    seen = ["--features", str(asked_world.features)]
    more = [str(asked_world.frames) if word == "FRAMES" else word for word in more]
    assert cli.main(["evaluate", *words(asked_world, asked_world.mllm, tmp_path / "out", *seen), *more]) == 2
    printed = capsys.readouterr().err.splitlines()[-1]
    assert printed.startswith("gymqa: ") and complaint in printed
