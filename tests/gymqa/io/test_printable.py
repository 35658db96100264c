"""What a foreign file's text does to a terminal: nothing."""

from pathlib import Path

import pytest

from gymqa.cli.main import attempt
from gymqa.errors import GymQAError
from gymqa.io.console import console, progress_bar
from gymqa.io.printable import LONGEST
from tests.helpers.naming import does_name

HOSTILE = "a\x1b[2J\x9b31m\u202eb\ud800\x07"


def _harmless(text: str) -> bool:
    return all(one.isprintable() or one == "\n" for one in text)


def test_an_error_that_quotes_a_file_is_one_short_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(words: object) -> None:
        raise GymQAError(f"runs/x/config.json: no {HOSTILE * 20_000}\n; train it again")

    assert attempt(fail, []) == 2
    printed = capsys.readouterr().err
    assert _harmless(printed) and printed.count("\n") == 1 and len(printed) < LONGEST + 10
    assert does_name(printed, "runs/x/config.json") and printed.endswith("train it again\n")


def test_what_is_printed_of_a_file_is_escaped_on_both_streams(capsys: pytest.CaptureFixture[str]) -> None:
    def show(words: object) -> None:
        print(f"{HOSTILE}\nsecond\tline é 体")
        console.print(HOSTILE, markup=False)

    assert attempt(show, []) == 0
    printed = capsys.readouterr()
    assert _harmless(printed.out.replace("\t", "")) and printed.out.endswith("\nsecond\tline é 体\n")
    assert "\\u001b" in printed.out and _harmless(printed.err) and "\\u001b" in printed.err


def test_what_looks_like_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.print("the model [/b] [red]x")
    assert "[/b] [red]x" in capsys.readouterr().err
    with progress_bar("asking [/b]", 1) as bar:
        bar.advance()
    assert "asking [/b]" in capsys.readouterr().err


def test_a_printed_path_with_a_line_break_or_a_surrogate_does_not_end_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert attempt(lambda words: print(tmp_path / "\udce9.json"), []) == 0
    assert "\\udce9.json" in capsys.readouterr().out
