"""`gymqa report` refuses, before it scores anything, what its table would show wrongly."""

from pathlib import Path

import pytest

from eval.metrics.fusion import save_fused
from gymqa.cli import main as cli
from tests.helpers.leaderboard_example import recognizer
from tests.helpers.naming import does_name
from tests.helpers.site_example import write_site_inputs


def refused(folder: Path, *more: str) -> bool:
    """Whether the command is refused and leaves no site."""
    results, asked = write_site_inputs(folder)
    words = ["report", str(results), "--questions", str(asked), "--out", str(folder / "site"), *more]
    return cli.main(words) == 2 and not (folder / "site" / "index.html").exists()


def predicted(file: Path, control: str = "none") -> str:
    """Class predictions as `gymqa predict` writes them."""
    save_fused(file, recognizer().predictions, control)
    return str(file)


def test_predictions_under_a_control_are_no_recognition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = predicted(tmp_path / "plain.jsonl"), predicted(tmp_path / "rec.jsonl", "shuffled")
    assert refused(tmp_path, "--recognizers", *files)
    assert does_name(capsys.readouterr().err, "rec.jsonl", "shuffled")


def test_two_recognizers_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [predicted(tmp_path / folder / "rec.jsonl") for folder in ("a", "b")]
    assert refused(tmp_path, "--recognizers", *files)
    assert does_name(capsys.readouterr().err, files[1], files[0], "rec")


@pytest.mark.parametrize("draws", ["0", "-5"])
def test_an_interval_takes_a_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str], draws: str) -> None:
    assert refused(tmp_path, "--resamples", draws)
    assert does_name(capsys.readouterr().err, draws, "resamples")
