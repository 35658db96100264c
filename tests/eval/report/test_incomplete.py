"""A report says what a result lacks, and shows names as they are, in the terminal as on the page."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from eval.leaderboard.schema import Row
from eval.report.page import Page, render
from eval.report.tables import as_latex
from eval.run.results import file_info, load_result, save_result
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.io.files import write_text
from gymqa.questions.files import save_questions
from tests.helpers.naming import does_name
from tests.helpers.questions import question
from tests.helpers.site_example import write_site_inputs

ROW = Row("[b] *x*", "", "gym-qa", "accuracy", 0.5, 0.4, 0.6, 10, 1.0)


def _report(folder: Path, results: Path, asked: Path) -> int:
    return main(["report", str(results), "--questions", str(asked), "--out", str(folder / "site"), "--resamples", "10"])


def test_open_questions_and_those_never_asked_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, asked = write_site_inputs(tmp_path)
    first, second = sorted(results.rglob("*.result.json"))[:2]
    assert _report(tmp_path, results, asked) == 0
    assert "not complete" not in capsys.readouterr().out
    assert json.loads((tmp_path / "site/leaderboard.json").read_text())["notes"] == []
    save_result(first, load_result(first).model_copy(update={"open": ("a", "b")}))
    result = load_result(second)
    predictions = second.with_name(result.predictions.name)
    predictions.write_text("".join(predictions.read_text().splitlines(keepends=True)[:-3]))
    save_result(second, result.model_copy(update={"predictions": file_info(predictions)}))
    assert _report(tmp_path, results, asked) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "not complete" in line]
    assert len(said) == 2
    assert does_name(said[0], first.name, 2, "open") and does_name(said[1], second.name, 3, "asked")
    page = (tmp_path / "site/index.html").read_text()
    assert page.count("is not complete") == 2
    assert json.loads((tmp_path / "site/leaderboard.json").read_text())["notes"] == said


def test_no_cell_of_latex_is_read_as_an_option_of_the_row_before() -> None:
    body = [line for line in as_latex([ROW, replace(ROW, model="*y", value=0.4)]).splitlines() if line.endswith("\\\\")]
    assert len(body) == 3 and not any(line.startswith(("[", "*")) for line in body)
    assert body[1].startswith("{[}b] {*}x{*} & ") and body[2].startswith("{*}y & ")


def test_foreign_names_are_escaped_on_the_page_as_in_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "m\u202eabc\x1b[2J\ud83e"
    html = render(Page(f"t {hostile}", (replace(ROW, model=hostile),), {hostile: hostile}, notes=(hostile,)))
    shown, _, _ = html.partition('id="data"')
    assert "m\\u202eabc\\u001b[2J\\ud83e" in shown and "\u202e" not in shown and "\x1b" not in shown


def test_a_name_that_is_not_utf_8_is_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_questions(tmp_path / "q" / "gym-qa.jsonl", [question("q", (0, 1), 0)])
    words = ["evaluate", "--adapter", "chance", "--questions", str(tmp_path / "q"), "--out", str(tmp_path / "out")]
    for option in ("--name", "--encoder"):
        assert main([*words, option, "caf\udce9"]) == 2
        assert does_name(capsys.readouterr().err, option) and not (tmp_path / "out").exists()


def test_text_that_is_not_utf_8_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "before")
    with pytest.raises(GymQAError) as caught:
        write_text(tmp_path / "a", "x" * 100 + "caf\udce9")
    assert does_name(str(caught.value), tmp_path / "a") and (tmp_path / "a").read_text() == "before"
