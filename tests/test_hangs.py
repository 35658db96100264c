"""A model that hangs costs its process; the same command goes on, finds the question, and leaves it unanswered."""

import subprocess
import sys
from pathlib import Path

from eval.hangs import SUFFIX, Watch
from gymqa.questions import load_predictions
from tests.test_runner import questions

ROOT = Path(__file__).parents[1]


def started(out: Path) -> subprocess.CompletedProcess[str]:
    """Run the asker until it ends itself."""
    command = [sys.executable, "-m", "tests.hanging_asker", str(out), "0.5"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_question_that_hangs_is_found_and_left_unanswered_and_the_others_are_answered(tmp_path: Path) -> None:
    out, asked = tmp_path / "p.jsonl", tmp_path / "asked"
    first = started(out)
    assert first.returncode == 2
    assert first.stderr.splitlines()[-1] == (
        "gymqa: hanging gave no answer to q3, q4, q5 within 0.5 s; the same command goes on"
    )
    assert asked.read_text().splitlines() == ["q0 q1 q2", "q3 q4 q5"]
    second = started(out)
    assert second.returncode == 2 and "no answer to q4 within" in second.stderr
    assert asked.read_text().splitlines()[2:] == ["q6 q7 q8", "q3", "q4"]  # what hung comes last and alone
    third = started(out)
    assert third.returncode == 0, third.stderr
    assert asked.read_text().splitlines()[5:] == ["q5"]
    found = {one.question_id: (one.choice, one.error) for one in load_predictions(out)}
    assert found.pop("q4") == (None, "no answer within 0.5 s, 2 times")
    assert set(found.values()) == {(1, None)} and len(found) == 8
    assert not out.with_name("p.jsonl.parts").exists()


def test_without_a_limit_nothing_is_given_up(tmp_path: Path) -> None:
    notes = tmp_path / f"0{SUFFIX}"
    notes.write_text('["q0", "q1"]\n["q1"]\n')
    asked = questions(3)
    assert Watch(None, notes, "m").order([asked]) == ([asked], [])
    assert Watch(9.0, notes, "m").order([asked]) == ([asked[2:], asked[:1]], asked[1:2])
