"""What is wrong in the command line is said before the model is loaded."""

from pathlib import Path

import pytest

from gymqa.cli.main import main
from gymqa.questions.files import save_questions
from tests.helpers.naming import does_name
from tests.helpers.questions import question


def test_a_batch_of_nothing_is_refused_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_questions(tmp_path / "gym-qa.jsonl", [question("q", (0, 1), 0)])
    words = ["--questions", str(tmp_path / "gym-qa.jsonl"), "--out", str(tmp_path / "out"), "--batch_size", "0"]
    assert main(["evaluate", *words, "--adapter", "scripted", "--model", str(tmp_path / "missing.json")]) == 2
    said = capsys.readouterr().err
    assert does_name(said, 0) and "missing.json" not in said
