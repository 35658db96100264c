"""The whole road at its smallest: every row of the leaderboard, once, and nothing done twice."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from encoders.llm import loading as llm_identity
from gymqa.cli.demo import Demo, DemoConfig, resolve
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.io.files import read_json
from gymqa.runtime.precision import recorded_precision
from gymqa.runtime.runs import Run
from gymqa.sim.release import ReleaseConfig
from recognizers.backbones.image import vit as image_vit
from recognizers.ssl.algorithms import algorithm_named
from tests.helpers.mllm_examples import tiny_llm
from tests.helpers.naming import does_name, naming
from tests.helpers.other_cpu import other_cpu

pytestmark = pytest.mark.slow

BENCHMARKS = {"gym-qa", "gym-qa-hard", "gym-new"}


def smallest() -> DemoConfig:
    config = DemoConfig(
        release=ReleaseConfig(train_videos=3, val_videos=2, raw_videos=1, size=64), labelled_fraction=0.4
    )
    training = replace(
        config.training, steps=4, warm_up_steps=2, labelled_batch=4, unlabelled_batch=4, precision="float32"
    )
    return replace(config, training=training, views=1, tuning_steps=2, llm=tiny_llm())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "run"
    Demo(out, smallest()).run_steps()
    return out


def test_the_leaderboard_has_every_row_of_every_benchmark(folder: Path) -> None:
    board = read_json(folder / "leaderboard.json")
    asked = {(row["model"], row["encoder"], row["benchmark"]) for row in board["rows"] if row["metric"] == "accuracy"}
    models = {(model, encoder) for model, encoder, _ in asked}
    assert {benchmark for _, _, benchmark in asked} == BENCHMARKS
    assert len(asked) == len(models) * len(BENCHMARKS)
    assert {encoder for model, encoder in models if model == "tiny-llama"} == {
        "SeFAR",
        "supervised only",
        "image ViT, per frame",
    }
    assert {"chance", "oracle-event", "oracle-set", "tiny-llama, blind"} <= {model for model, _ in models}
    recognized = [row for row in board["rows"] if row["benchmark"] == "recognition"]
    assert {row["metric"] for row in recognized} == {"top1", "mean_class", "mAP"} and len(recognized) == 6
    assert all(0 <= row["ci_low"] <= row["ci_high"] <= 1 and row["answered_rate"] == 1 for row in board["rows"])
    assert board["environment"]["seed"] == smallest().seed


def test_the_page_stands_beside_it_and_asks_nothing_of_any_server(folder: Path) -> None:
    page = (folder / "leaderboard.html").read_text()
    assert "tiny-llama" in page and 'src="http' not in page and '"base":"release/subactions/"' in page


def test_a_second_run_does_nothing_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in sorted((folder / "steps").iterdir())}
    board = (folder / "leaderboard.json").read_bytes()
    Demo(folder, smallest()).run_steps()
    assert {path: path.stat().st_mtime_ns for path in sorted((folder / "steps").iterdir())} == stamps
    assert (folder / "leaderboard.json").read_bytes() == board
    assert "gym-qa" in capsys.readouterr().out


def test_a_demo_of_a_named_precision_is_not_made_anew_by_one_that_chooses(folder: Path) -> None:
    stamps = {path: path.stat().st_mtime_ns for path in sorted((folder / "steps").iterdir())}
    config = smallest()
    assert DemoConfig().training.precision == "auto"
    with other_cpu(bf16=True):
        Demo(folder, replace(config, training=replace(config.training, precision="auto"))).run_steps()
    assert {path: path.stat().st_mtime_ns for path in sorted((folder / "steps").iterdir())} == stamps
    assert recorded_precision(folder) == "bf16" and recorded_precision(folder / "recognizers/sefar") == "float32"


def _steps_with_other_settings(
    folder: Path, change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> set[str]:
    """Which steps a change makes stale, by what each is asked to do; nothing is run."""
    seen: list[dict[str, Any]] = []

    def note(run: Run, name: str, settings: dict[str, Any], *others: Any) -> bool:
        seen[-1][name] = json.loads(json.dumps(settings))
        return False

    with monkeypatch.context() as patch:
        patch.setattr(Run, "step", note)
        for step in (lambda patch: None, change):
            step(patch)
            seen.append({})
            Demo(folder, replace(smallest(), llm="tiny-vicuna")).run_steps()
    return {name for name, settings in seen[0].items() if seen[1][name] != settings}


def test_other_weights_and_formats_make_the_steps_that_read_them_stale(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source, name in ((image_vit.SHIPPED, "vit"), (llm_identity.llm_folder("tiny-vicuna"), "llm")):
        shutil.copytree(source, tmp_path / name)
        weights = tmp_path / name / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x00")

    def new_vit(patch: pytest.MonkeyPatch) -> None:
        for module in ("gymqa.cli.demo", "recognizers.backbones.image_checkpoints"):
            patch.setattr(f"{module}.SHIPPED", tmp_path / "vit")

    stale = _steps_with_other_settings(folder, new_vit, monkeypatch)
    assert stale == {"train-sefar", "train-supervised", "features-image"}
    stale = _steps_with_other_settings(
        folder, lambda patch: patch.setattr(llm_identity, "_EMBEDDED", tmp_path / "llm"), monkeypatch
    )
    assert stale == {f"tune-{name}" for name in ("sefar", "supervised", "image", "blind")}
    stale = _steps_with_other_settings(folder, lambda patch: patch.setattr("gymqa.cli.demo.FORMAT", 99), monkeypatch)
    assert stale == {"render"}


def test_hidden_copies_of_predictions_are_no_predictions(folder: Path) -> None:
    board, stamp = (folder / "leaderboard.json").read_bytes(), folder / "steps" / "report.json"
    made = folder / "predictions" / "sefar"
    shutil.copy(made / "gym-qa.jsonl", made / ".gym-qa-6b2c.jsonl")  # as a killed run of an earlier version left it
    stamp.write_text(stamp.read_text().replace('"done": true', '"done": false'))
    Demo(folder, smallest()).run_steps()
    assert (folder / "leaderboard.json").read_bytes() == board


def test_half_a_frame_cache_is_mended_by_the_same_command(folder: Path) -> None:
    frames = folder / "frames" / "frames.bin"
    with frames.open("r+b") as file:
        file.truncate(frames.stat().st_size // 2)
    Demo(folder, smallest()).run_steps()
    cache = FrameCache(folder / "frames")
    assert len(cache) == 5 * 24 and cache.damaged() == []


def test_config_and_environment_say_what_was_done(folder: Path) -> None:
    config, where = yaml.safe_load((folder / "config.yaml").read_text()), read_json(folder / "environment.json")
    assert config["seed"] == config["release"]["seed"] == config["training"]["seed"] == where["seed"] == 1
    assert where["device"] == ("cuda" if torch.cuda.is_available() else "cpu")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("--seed 3 --settings.seed 2", ("--seed 3", "--settings.seed 2")),
        ("--llm a --settings.llm b", ("--llm a", "--settings.llm b")),
        ("--seed 3 --settings.release.seed 2", ("settings.release.seed 2", "seed 3")),
        ("--settings.training.seed 2", ("settings.training.seed 2", "seed 1")),
        ("--seed -1", ("seed", "-1")),
        ("--llm no/such/model", ("'no/such/model'",)),
        ("--device tpu", ("cpu", "cuda", "'tpu'")),
    ],
)
def test_settings_that_cannot_be_are_refused_before_any_work(
    words: str,
    named: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["demo", "--out", str(tmp_path / "run"), *words.split()]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("gymqa: ") and printed.count("\n") == 1 and does_name(printed, *named)
    assert not (tmp_path / "run").exists()


def test_one_algorithm_for_both_recognizers_is_refused() -> None:
    config = smallest()
    with pytest.raises(GymQAError, match=naming("sefar", "supervised", "settings.training.algorithm")):
        resolve(replace(config, training=replace(config.training, algorithm=algorithm_named("fixmatch"))))


def test_a_quick_run_does_not_take_the_full_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("runs/demo", "runs/demo-quick"):  # files where the folders would be: each command names its own
        (tmp_path / folder).parent.mkdir(exist_ok=True)
        (tmp_path / folder).touch()
    monkeypatch.chdir(tmp_path)
    for words, folder in ((["demo"], "runs/demo"), (["demo", "--quick"], "runs/demo-quick")):
        assert main(words) == 2
        assert does_name(capsys.readouterr().err, f"{folder}:")


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
