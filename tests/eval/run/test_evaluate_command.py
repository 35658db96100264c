"""One command asks several benchmarks under several controls; every file says what it is, and nothing is made twice."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from encoders.mllm.model import GymMLLM
from encoders.mllm.prompts import Turn, render, with_video
from eval.run.prompts import filled, template_of
from eval.run.results import load_result, result_path
from gymqa.cli import main as cli
from gymqa.questions.files import load_predictions, load_questions
from recognizers.factory import load_recognizer
from tests.helpers import warm
from tests.helpers.evaluation_world import LOST, EvaluationWorld
from tests.helpers.naming import does_name
from tests.helpers.places import ROOT

pytestmark = pytest.mark.slow

SCRIPT = str(ROOT / "scripts" / "evaluate.py")


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


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the processes of a launch: the number of threads changes the last digits of sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_two_processes_give_the_files_of_one(asked_world: EvaluationWorld, tmp_path: Path, one_thread: None) -> None:
    """Features under the control are made by one of them, while the other waits."""
    world = asked_world
    seen = ["--frames", str(world.frames), "--encode_with", str(world.recognizer), "--controls", "reversed"]
    alone = evaluated(world, world.mllm, tmp_path / "1", *seen, "--batch_size", "5")
    ran = warm.launch([SCRIPT, *words(world, world.mllm, tmp_path / "2", *seen, "--batch_size", "5")])
    assert ran.returncode == 0, ran.stderr
    assert files(tmp_path / "2") == alone
    assert len(alone) == 4 and ran.stdout.count("right") == 2 and not list((tmp_path / "2").glob("*.parts"))


@pytest.mark.exhaustive
def test_two_processes_give_the_files_of_one_at_any_batch_size(
    asked_world: EvaluationWorld, tmp_path: Path, one_thread: None
) -> None:
    world, seen = asked_world, ["--frames", str(asked_world.frames)]
    alone = evaluated(world, world.recognizer, tmp_path / "1", *seen, "--batch_size", "64")
    more = words(world, world.recognizer, tmp_path / "2", *seen, "--batch_size", "3")
    ran = warm.launch([SCRIPT, *more])
    assert ran.returncode == 0, ran.stderr
    assert files(tmp_path / "2") == alone


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
                     "--control", "reversed", "--precision", "float32"]) == 0  # fmt: skip
    assert cli.main(["evaluate", *words(world, saved, tmp_path / "file")]) == 2
    assert does_name(capsys.readouterr().err, saved, "reversed", "none")
    evaluated(world, saved, tmp_path / "file", "--controls", "reversed")
    here, there = (load_predictions(tmp_path / name / "gym-qa.reversed.jsonl") for name in ("folder", "file"))
    assert [replace(one, detail=None) for one in here] == [replace(one, detail=None) for one in there]


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


def test_each_question_may_be_asked_in_twos(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, asked = asked_world, load_questions(asked_world.questions / "gym-qa-hard.jsonl")
    seen = ["--frames", str(world.frames), "--tier", "set", "--binaries"]
    made = evaluated(world, world.recognizer, tmp_path, *seen)
    assert made.keys() == {"gym-qa-hard.binaries.jsonl", "gym-qa-hard.binaries.result.json"}
    predictions = load_predictions(tmp_path / "gym-qa-hard.binaries.jsonl")
    assert len(predictions) == sum(len(question.choices) - 1 for question in asked)
    assert load_result(tmp_path / "gym-qa-hard.binaries.result.json").binaries
    evaluated(world, world.recognizer, tmp_path, *seen[:-1])
    report = ["report", str(tmp_path), "--questions", str(world.questions), "--resamples", "50"]
    assert cli.main([*report, "--out", str(tmp_path / "site")]) == 0
    rows = json.loads((tmp_path / "site" / "leaderboard.json").read_text())["rows"]
    values = {row["metric"]: row["value"] for row in rows if row["model"] == "sefar"}
    assert values["binary"] == pytest.approx(values["binary_by_probability"])  # it goes by classes, whatever is beside
    assert values["multiple_binary"] == pytest.approx(values["accuracy"])
    capsys.readouterr()
    file = str(world.questions / "gym-qa-hard.jsonl")
    assert cli.main(["metrics", str(tmp_path / "gym-qa-hard.binaries.jsonl"), "--questions", file]) == 0
    assert f"gym-qa-hard multiple binary {100 * values['accuracy']:.1f} %" in capsys.readouterr().out
    assert cli.main(["evaluate", *words(world, world.recognizer, tmp_path, *seen, "--rotations", "all")]) == 2
    assert does_name(capsys.readouterr().err, "rotations", "binaries")


def test_every_answer_says_how_it_came_about(asked_world: EvaluationWorld, tmp_path: Path) -> None:
    world = asked_world
    seen = ["--frames", str(world.frames), "--benchmark", "gym-qa"]
    encoder = ["--encode_with", str(world.recognizer)]
    evaluated(world, world.mllm, tmp_path / "m", *seen, *encoder, "--controls", "none", "mismatched", "no-video")
    evaluated(world, world.recognizer, tmp_path / "r", *seen, "--controls", "reversed")
    none, other, blind, backward = (
        {one.question_id: one for one in load_predictions(tmp_path / name)}
        for name in (
            "m/gym-qa.jsonl",
            "m/gym-qa.mismatched.jsonl",
            "m/gym-qa.no-video.jsonl",
            "r/gym-qa.reversed.jsonl",
        )
    )
    question = next(one for one in load_questions(world.questions / "gym-qa.jsonl") if one.clip_id != LOST)
    plain, else_, text, back = (found[question.id].detail for found in (none, other, blind, backward))
    assert plain and else_ and text and back
    said = render([Turn(with_video(question.text))])
    assert plain.prompt_sha256 == hashlib.sha256(said.encode()).hexdigest() != text.prompt_sha256
    assert plain.frames == else_.frames and len(plain.frames) > 1 and text.frames == ()
    assert plain.clip_id == "" and else_.clip_id not in ("", question.clip_id)
    assert back.frames == tuple(11 - frame for frame in plain.frames)  # of 12, by the same recognizer
    assert plain.revision == GymMLLM.from_pretrained(world.mllm).fingerprint()["tuned"][:12]
    assert back.revision and back.prompt_sha256 == ""
    told, seen_by = (load_result(tmp_path / name) for name in ("m/gym-qa.result.json", "r/gym-qa.reversed.result.json"))
    assert template_of(told, question, plain) == told.prompt != "" and filled(told.prompt, question) == said
    assert (told.parameters or 0) > 100_000
    assert seen_by.parameters == sum(one.numel() for one in load_recognizer(world.recognizer).parameters())
    assert {one.detail for one in none.values() if one.clip_id == LOST} == {None}


def test_controls_are_checked_before_the_first_is_asked(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, out = asked_world, tmp_path / "out"
    seen = ["--features", str(world.features), "--frames", str(world.frames)]
    more = [*seen, "--encode_with", "image", "--controls", "none", "frozen"]
    assert cli.main(["evaluate", *words(world, world.mllm, out, *more)]) == 2
    assert does_name(capsys.readouterr().err, world.mllm, "image", "--encode_with") and not out.exists()
    more = ["--frames", str(world.frames), "--controls", "none", "no-video"]
    assert cli.main(["evaluate", *words(world, world.recognizer, out, *more)]) == 2
    assert does_name(capsys.readouterr().err, "no-video") and not out.exists()


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--controls", "upside-down"], ("'upside-down'",)),
        (["--controls", "none", "frozen"], ("frozen", "--frames")),
        (["--controls", "frozen", "--frames", "FRAMES", "--encode_with", "image"], ("image", "--encode_with")),
        (["--benchmark", "gym-new"], ("--questions", "gym-qa", "gym-qa-hard")),
        (["--out", "x.jsonl"], ("x.jsonl",)),
        (["--answer_timeout", "0"], ("0 s", "--answer_timeout")),
        (["--adapter", "oracle"], ("'oracle'",)),
        (["--questions", "none.jsonl"], ("none.jsonl",)),
    ],
)
def test_wrong_input_is_told_in_one_sentence(
    asked_world: EvaluationWorld,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    named: tuple[str, ...],
) -> None:
    seen = ["--features", str(asked_world.features)]
    more = [str(asked_world.frames) if word == "FRAMES" else word for word in more]
    assert cli.main(["evaluate", *words(asked_world, asked_world.mllm, tmp_path / "out", *seen), *more]) == 2
    printed = capsys.readouterr().err.splitlines()[-1]
    assert printed.startswith("gymqa: ") and does_name(printed, *named)
