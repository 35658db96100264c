"""What cannot be asked under all of its controls is refused before anything is loaded, decoded or asked."""

import json
import shutil
from pathlib import Path

import pytest

from encoders.mllm.files import PROJECTOR_FILE
from eval.adapters.registry import adapter_of
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from recognizers.backbones.registry import FAMILIES
from tests.helpers.evaluation_world import EvaluationWorld
from tests.helpers.naming import does_name, naming

pytestmark = pytest.mark.slow


def without_weights(source: Path, made: Path) -> Path:
    """A model of which nothing but its configuration can be read."""
    made.mkdir()
    shutil.copy(source / "config.json", made)
    return made


def complaint(capsys: pytest.CaptureFixture[str], out: Path, *words: str) -> str:
    """The one sentence, after which nothing was written."""
    capsys.readouterr()
    assert cli.main(["evaluate", "--out", str(out), *words]) == 2
    assert not out.exists()
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_recognizer_s_controls_are_all_checked_before_the_first_is_asked(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, model = asked_world, without_weights(asked_world.recognizer, tmp_path / "model")
    words = ["--model", str(model), "--questions", str(world.alike), "--controls", "none", "mismatched"]
    said = complaint(capsys, tmp_path / "out", *words, "--frames", str(world.frames))
    assert said.startswith("gymqa: ") and does_name(said, "mismatched")
    said = complaint(capsys, tmp_path / "out", *words, "--frames", str(world.questions))
    assert str(world.questions) in said


def test_a_language_model_s_controls_are_checked_before_it_is_loaded(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, model = asked_world, without_weights(asked_world.mllm, tmp_path / "model")
    assert (world.mllm / PROJECTOR_FILE).is_file()
    words = ["--model", str(model), "--questions", str(world.alike), "--features", str(world.features)]
    assert does_name(complaint(capsys, tmp_path / "out", *words, "--controls", "none", "frozen"), "frozen", "--frames")
    made = ["--frames", str(world.frames), "--encode_with", str(world.recognizer), "--controls", "none", "mismatched"]
    assert does_name(complaint(capsys, tmp_path / "out", *words, *made), "mismatched")


def test_a_model_of_transformers_is_not_loaded_to_be_shown_nothing(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--adapter", "hf-vlm", "--model", str(tmp_path), "--questions", str(asked_world.alike)]
    assert does_name(complaint(capsys, tmp_path / "out", *words), "--frames")
    seen = ["--frames", str(asked_world.frames), "--controls", "none", "mismatched"]
    assert does_name(complaint(capsys, tmp_path / "out", *words, *seen), "mismatched")


@pytest.mark.parametrize(
    ("adapter", "mend"),
    [
        ("gymqa", "texts, letters"),
        ("recognizer", "--scoring"),
        ("hf-vlm", "letters, texts, generate"),
        ("openai", "letters, generate"),
        ("chance", "--scoring"),
    ],
)
def test_a_scoring_that_an_adapter_does_not_have_is_refused(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str], adapter: str, mend: str
) -> None:
    words = ["--adapter", adapter, "--model", "nowhere", "--questions", str(asked_world.questions)]
    said = complaint(capsys, tmp_path / "out", *words, "--scoring", "guess")
    assert said.startswith("gymqa: ") and does_name(said, adapter, "'guess'", mend)


def test_saved_probabilities_that_cannot_be_read_are_not_called_those_of_a_control(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "saved.jsonl"
    words = ["--model", str(saved), "--questions", str(asked_world.questions), "--controls", "shuffled"]
    assert does_name(complaint(capsys, tmp_path / "out", *words), saved)
    saved.write_text("[]\n")
    assert does_name(complaint(capsys, tmp_path / "out", *words), f"{saved}:1")


def test_answers_are_not_written_where_questions_are_read(
    asked_world: EvaluationWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(asked_world.questions, tmp_path / "questions")
    words = ["--adapter", "chance", "--questions", str(folder)]
    said = complaint(capsys, folder / "out", *words)
    assert said.startswith("gymqa: ") and does_name(said, folder / "out", folder, "--out")


def test_a_recognizer_of_any_family_is_known_as_one(tmp_path: Path) -> None:
    for family in FAMILIES:
        (tmp_path / "config.json").write_text(json.dumps({"model": family}))
        assert adapter_of(str(tmp_path)) == "recognizer"
    (tmp_path / "config.json").write_text(json.dumps({"model": ["tsn"]}))
    with pytest.raises(GymQAError, match=naming(tmp_path, "--adapter")):
        adapter_of(str(tmp_path))
