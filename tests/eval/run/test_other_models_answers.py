"""A model replaces its own answers only, finished or not."""

from dataclasses import replace
from pathlib import Path

import pytest

from eval.run.results import result_path
from eval.run.run_state import RunInfo
from eval.run.runner import run
from gymqa.errors import GymQAError
from tests.helpers.asked import Scripted, questions
from tests.helpers.naming import naming


@pytest.mark.parametrize(
    "other", [("b", RunInfo("SeFAR", "x")), ("a", RunInfo("ViT", "x")), ("a", RunInfo("SeFAR", "y"))]
)
def test_a_model_does_not_replace_another_ones_result(tmp_path: Path, other: tuple[str, RunInfo]) -> None:
    out, model = tmp_path / "p.jsonl", Scripted()
    model.name = "a"
    run(model, questions(3), out, info=RunInfo("SeFAR", "x"))
    old = out.read_bytes(), result_path(out).read_bytes()
    second = Scripted(choice=2)
    second.name = other[0]
    with pytest.raises(GymQAError, match=naming("p.jsonl", "a SeFAR x", "--out")):
        run(second, questions(3), out, info=other[1])
    assert second.asked == [] and (out.read_bytes(), result_path(out).read_bytes()) == old
    changed = Scripted(choice=2)
    changed.name = "a"
    info = replace(RunInfo("SeFAR", "x"), settings={"seed": 1})
    assert {one.choice for one in run(changed, questions(3), out, info=info)} == {2}


def test_unfinished_answers_of_another_configuration_stay(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    with pytest.raises(KeyboardInterrupt):
        run(Scripted(stop_before="q3"), questions(5), out, 1)
    run(Scripted(choice=2), questions(5), out, 1)
    again = Scripted()
    run(again, questions(5), out, 1)
    assert again.asked == ["q3", "q4"] and not out.with_name("p.jsonl.parts").exists()
