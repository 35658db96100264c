"""A process that comes as the first one removes the parts finds all done."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from eval.run.runner import run
from tests.helpers.asked import Scripted, questions


def test_a_folder_that_goes_between_making_and_opening_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, late, make = tmp_path / "p.jsonl", Scripted(), Path.mkdir
    gone: list[Path] = []

    def make_and_lose(path: Path, *words: Any, **more: Any) -> None:
        make(path, *words, **more)
        if path.parent.name == "p.jsonl.parts" and not gone:
            gone.append(path)
            run(Scripted(), questions(4), out)  # the first process is through, and has removed the folder
            shutil.rmtree(path.parent, ignore_errors=True)

    monkeypatch.setattr(Path, "mkdir", make_and_lose)
    assert run(late, questions(4), out, process=(1, 2)) == []
    assert gone and late.asked == [] and not out.with_name("p.jsonl.parts").exists()
