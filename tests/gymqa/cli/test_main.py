"""The command line: it starts fast, teaches, and answers wrong input with one sentence and status 2."""

import inspect
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gymqa.cli import main as cli
from gymqa.cli.arguments import build_parser, call
from gymqa.errors import GymQAError
from tests.helpers.naming import does_name


@dataclass(frozen=True)
class Size:
    """A model's size.

    Args:
        dim: width of a token.
    """

    dim: int = 128


def sample(
    video: Path,
    question: str = "what?",
    choices: list[str] | None = None,
    json: bool = False,
    *,
    where: Path,
    size: Size,
) -> None:
    """Print what was asked.

    Args:
        video: any video file.
        question: the text.
        choices: two or more texts.
        json: print JSON.
        where: a folder.
        size: the model's size.
    """
    print(video.name, question, choices, json, where, size.dim)


def test_help_lists_every_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gymqa.cli.main import main; main(['--help']); "
        "print(sorted({'torch', 'numpy', 'transformers', 'jsonargparse'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in printed for name in cli.COMMANDS)
    assert printed.endswith("[]\n")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_teaches(name: str) -> None:
    command = cli.load_command(name)
    for function in command.values() if isinstance(command, dict) else [command]:
        documented = inspect.getdoc(function) or ""
        for parameter in inspect.signature(function).parameters:
            assert f"    {parameter}: " in documented, f"{name}: {parameter} is not explained"
        assert build_parser(function, f"gymqa {name}").format_help().startswith(f"usage: gymqa {name}")


def test_flags_lists_and_nested_settings_reach_the_function(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["a.mp4", "--where", "w", "--choices", "a b", "1", "--json", "--size.dim", "64"]
    call(sample, words, "gymqa sample")
    assert capsys.readouterr().out == "a.mp4 what? ['a b', '1'] True w 64\n"


def test_words_win_over_the_config_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("video: a.mp4\nquestion: q\njson: true\nwhere: w\nchoices: [x, y]\nsize:\n  dim: 32\n")
    call(sample, ["--config", str(config), "--question", "other"], "gymqa sample")
    assert capsys.readouterr().out == "a.mp4 other ['x', 'y'] True w 32\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], ("video", "where")),
        (["a.mp4", "--where", "w", "--size.dim", "wide"], ("size.dim", "'wide'")),
        (["a.mp4", "--where", "w", "--nope", "3"], ("--nope",)),
        (["a.mp4", "--where", "w", "--config", "/no/such.yaml"], ("config", "/no/such.yaml")),
    ],
)
def test_wrong_words_are_one_sentence(words: list[str], named: tuple[str, ...]) -> None:
    with pytest.raises(GymQAError) as error:
        call(sample, words, "gymqa sample")
    assert does_name(str(error.value), *named, "gymqa sample --help") and "\n" not in str(error.value)


@pytest.mark.parametrize("words", [["rendr"], ["questions", "stat", "x"], ["list", "elemnts"]])
def test_a_wrong_command_leaves_with_status_2_and_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("gymqa: ") and printed.err.count("\n") == 1


def test_debug_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--debug", "rendr"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "status", "named"),
    [
        (KeyboardInterrupt(), 130, ()),
        (GymQAError("no x; make one"), 2, ("no x; make one",)),
        (ValueError("odd"), 1, ("ValueError", "odd", "--debug")),
    ],
)
def test_the_exit_status_says_who_stopped_it(
    raised: BaseException,
    status: int,
    named: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop() -> None:
        """Stop."""
        raise raised

    monkeypatch.setattr("gymqa.cli.commands.answers.list.COMMAND", stop)
    assert cli.main(["list"]) == status
    printed = capsys.readouterr().err
    assert printed.startswith("gymqa: ") and printed.count("\n") == 1 and does_name(printed, *named)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    gymqa = f"{sys.executable} -m gymqa.cli.main --help"
    result = subprocess.run(["bash", "-c", f"set -o pipefail; {gymqa} | true"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_render_split_and_questions_take_one_road(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    splits, file = tmp_path / "splits", tmp_path / "q.jsonl"
    assert cli.main(["split", str(gymsim_root), "--out", str(splits), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["labelled"] == 24
    words = [str(splits / "val.txt"), "--finegym", str(gymsim_root), "--out", str(file), "--benchmark", "gym-new"]
    assert cli.main(["questions", "build", *words]) == 0
    assert cli.main(["questions", "validate", str(file)]) == 0
    assert f"{file}: every question is sound" in capsys.readouterr().out
    assert cli.main(["questions", "stats", str(file), "--finegym", str(gymsim_root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == len(file.read_text().splitlines())


def test_a_question_with_two_equal_choices_is_named(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, words = tmp_path / "q.jsonl", [str(gymsim_root / "annotations" / "gymsim24_val_element.txt")]
    assert cli.main(["questions", "build", *words, "--finegym", str(gymsim_root), "--out", str(file)]) == 0
    first, *others = file.read_text().splitlines(keepends=True)
    question = json.loads(first)
    question["choices"][0] = question["choices"][1]
    file.write_text(json.dumps(question) + "\n" + "".join(others))
    assert cli.main(["questions", "validate", str(file)]) == 2
    printed = capsys.readouterr()
    assert does_name(printed.out, f"{file}:1", question["id"], question["choices"][0])
    assert does_name(printed.err, file, 1) and printed.err.count("\n") == 1


def test_an_unwritable_out_is_refused_before_rendering(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert cli.main(["render", "--out", str(tmp_path / "file")]) == 2
    assert does_name(capsys.readouterr().err, tmp_path / "file")


@pytest.mark.slow
def test_from_release_to_leaderboard_without_a_model(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, file = gymsim_root / "annotations" / "gymsim24_val_element.txt", tmp_path / "q.jsonl"
    words = ["cache", str(gymsim_root), "--lists", str(clips), "--out", str(tmp_path / "frames"), "--size", "16"]
    assert cli.main([*words, "--workers", "1"]) == 0
    assert f"{tmp_path / 'frames'}: 48 clips" in capsys.readouterr().out
    assert cli.main(["questions", "build", str(clips), "--finegym", str(gymsim_root), "--out", str(file)]) == 0
    words = ["report", "--questions", str(file), "--finegym", str(gymsim_root), "--out", str(tmp_path / "report")]
    assert cli.main(words) == 0
    rows = json.loads((tmp_path / "report" / "leaderboard.json").read_text())["rows"]
    values = {row["model"]: row["value"] for row in rows}
    assert values["chance"] == 0.25 < values["oracle-event"] < values["oracle-set"] < 1
    assert (tmp_path / "report" / "index.html").is_file()


@pytest.mark.parametrize(("content", "reason"), [(None, "exist"), (b"", "empty"), (b"no video at all", "decode")])
def test_a_video_that_cannot_be_read_is_named(
    content: bytes | None, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = tmp_path / "v.mp4"
    if content is not None:
        video.write_bytes(content)
    assert cli.main(["ask", str(video), "What move?", "--choices", "a", "b", "--run", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"gymqa: {video} ") and does_name(printed, reason) and printed.count("\n") == 1


def _a_video(gymsim_root: Path) -> str:
    return str(next((gymsim_root / "subactions").glob("*.mp4")))


def test_equal_choices_are_refused(gymsim_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = _a_video(gymsim_root)
    assert cli.main(["ask", video, "What move?", "--choices", "a", "b", "a", "c"]) == 2
    assert does_name(capsys.readouterr().err, video, "'a'")


def test_an_unknown_element_is_refused_with_the_closest_names(
    gymsim_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["ask", _a_video(gymsim_root), "What move?", "--finegym", str(gymsim_root), "--choices"]
    assert cli.main([*words, "salto backwards tuckd", "salto backward tucked"]) == 2
    assert does_name(capsys.readouterr().err, "gymsim24", "'salto backwards tuckd'", "salto backward tucked")


def test_asking_without_a_model_says_how_to_get_one(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["ask", _a_video(gymsim_root), "What?", "--choices", "a", "b", "--run", str(tmp_path)]) == 2
    assert does_name(capsys.readouterr().err, tmp_path, "gymqa demo")


@pytest.mark.slow
def test_train_extract_finetune_evaluate_and_ask_take_one_road(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two steps of each training: what is learned is tested elsewhere, here that every command reads the last one's."""
    lists, frames, recognizer = tmp_path / "splits", tmp_path / "frames", tmp_path / "recognizers" / "sefar"
    features, mllm, asked = tmp_path / "features", tmp_path / "mllm" / "sefar", tmp_path / "q.jsonl"
    labelled, unlabelled, val = (lists / f"{name}.txt" for name in ("labelled", "unlabelled", "val"))
    short = "--training.steps 2 --training.warm_up_steps 1 --training.labelled_batch 2 --training.unlabelled_batch 2"
    sizes = "--size 64 --max_frames 12"
    tuning = "--tuning.steps 2 --tuning.batch_size 2 --tuning.alignment.steps 2 --tuning.precision no"
    for words in (
        f"split {gymsim_root} --out {lists}",
        f"cache {gymsim_root} --lists {labelled} {unlabelled} {val} --out {frames} --workers 1 {sizes}",
        f"questions build {val} --finegym {gymsim_root} --out {asked} --benchmark gym-new",
        f"train {lists} {frames} --out {recognizer} {short}",
        f"predict {recognizer} {frames} --clips {val} --out {tmp_path}/r.jsonl",
        f"extract {recognizer} {frames} --clips {labelled} {val} --out {features}",
        f"extract image {frames} --clips {val} --out {tmp_path}/image",
        f"finetune {features} --clips {labelled} --finegym {gymsim_root} --out {mllm} {tuning}",
        f"evaluate --model {mllm} --features {features} --questions {asked} --out {tmp_path}/p.jsonl --name tiny",
        f"evaluate --model {tmp_path}/r.jsonl --questions {asked} --out {tmp_path}/pr.jsonl --name recognizer",
        f"report {tmp_path}/p.jsonl {tmp_path}/pr.jsonl --questions {asked} --out {tmp_path}/report",
    ):
        assert cli.main(words.split()) == 0, f"{words}: {capsys.readouterr().err}"
    rows = json.loads((tmp_path / "report" / "leaderboard.json").read_text())["rows"]
    assert {row["model"] for row in rows} == {"chance", "tiny", "recognizer"}
    words = f"evaluate --model {mllm} --features {tmp_path}/image --questions {asked} --out {tmp_path}/x"
    assert cli.main(words.split()) == 2
    assert does_name(capsys.readouterr().err, tmp_path / "image", mllm)
    ask_sees_what_evaluate_saw(gymsim_root, tmp_path, capsys)
    ask = ["ask", _a_video(gymsim_root), "What move?", "--run", str(tmp_path), "--choices"]
    assert cli.main([*ask, "salto backwards tuckd", "split jump"]) == 2
    printed = capsys.readouterr().err
    assert does_name(printed, "gymsim24", "'salto backwards tuckd'", "salto backward tucked")
    assert printed.count("\n") == 1
    assert cli.main([*ask, "Yes", "No"]) == 0
    ask[2] = "In which direction does this athlete move?"
    assert cli.main([*ask, "forward", "backward"]) == 0


def ask_sees_what_evaluate_saw(gymsim_root: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames of another size and number than the demo's."""
    asked = json.loads((run / "q.jsonl").read_text().splitlines()[0])
    saved = json.loads((run / "p.jsonl").read_text().splitlines()[0])
    assert saved["question_id"] == asked["id"]
    video = gymsim_root / "subactions" / f"{asked['clip_id']}.mp4"
    words = ["ask", str(video), asked["text"], "--run", str(run), "--json", "--choices", *asked["choices"]]
    capsys.readouterr()
    assert cli.main(words) == 0
    probabilities = json.loads(capsys.readouterr().out)["probabilities"]
    assert list(probabilities) == asked["choices"]
    assert list(probabilities.values()) == pytest.approx(saved["probabilities"], abs=1e-4)
