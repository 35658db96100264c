"""A run that waits says for what, ends after a stated time, and notices that its folder is gone."""

import io
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from eval.run import parts
from eval.run.runner import run
from gymqa.errors import GymQAError
from gymqa.questions.schema import Answer, Question
from tests.helpers.asked import Scripted, questions
from tests.helpers.naming import does_name, naming


class Disturbed(Scripted):
    """Answers after something else has happened."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self.happens = happens

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        self.happens()
        return super().answer(questions)


def test_the_first_process_says_whom_it_waits_for_and_gives_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "console", Console(file=(printed := io.StringIO()), width=200))
    monkeypatch.setattr(parts, "SAY_AFTER", 0.1)
    monkeypatch.setattr(parts, "GIVE_UP_AFTER", 0.6)
    out = tmp_path / "p.jsonl"
    with pytest.raises(GymQAError, match=naming("4 of 8", "1, 2 never started")):
        run(Scripted(), questions(8), out, 2, process=(0, 3))
    assert does_name(printed.getvalue(), "4 of 8", "1, 2 never started")
    assert printed.getvalue().count("\n") == 1  # once, until an answer comes
    assert len(run(Scripted(), questions(8), out, 2)) == 8  # and nothing is lost


def test_a_folder_that_is_removed_ends_the_run_while_it_asks_and_while_it_waits(tmp_path: Path) -> None:
    folder = tmp_path / "p.jsonl.parts"
    model = Disturbed(lambda: shutil.rmtree(folder))
    with pytest.raises(GymQAError, match=naming(str(folder))):
        run(model, questions(8), tmp_path / "p.jsonl", 2)
    threading.Timer(0.5, shutil.rmtree, [folder]).start()
    with pytest.raises(GymQAError, match=naming(str(folder))):
        run(Scripted(), questions(8), tmp_path / "p.jsonl", 2, process=(0, 2))


def test_a_launch_that_another_one_has_finished_for_ends_in_peace(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    model = Disturbed(lambda: run(Scripted(), questions(8), out, 2))
    assert run(model, questions(8), out, 2, process=(1, 2)) == []
    assert out.is_file() and not (tmp_path / "p.jsonl.parts").exists()
