"""A model that hangs costs its process; the same command goes on, finds the question, and leaves it unanswered."""

import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.run.watchdog import SUFFIX, Watchdog
from gymqa.cli.commands.answers.evaluate import evaluate
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions
from tests.helpers.asked import questions
from tests.helpers.naming import does_name, naming
from tests.helpers.places import ROOT


def started(out: Path, *how: str) -> subprocess.CompletedProcess[str]:
    """Run the asker until it ends itself."""
    command = [sys.executable, "-m", "tests.helpers.hanging_asker", str(out), "0.5", *how]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_a_question_that_hangs_is_found_and_left_unanswered_and_the_others_are_answered(tmp_path: Path) -> None:
    out, asked = tmp_path / "p.jsonl", tmp_path / "asked"
    first = started(out)
    assert first.returncode == 2 and first.stdout == "at q4\n"
    assert does_name(first.stderr.splitlines()[-1], "gymqa: hanging", "q3, q4, q5", "0.5 s")
    assert asked.read_text().splitlines() == ["q0 q1 q2", "q3 q4 q5"]
    second = started(out)
    assert second.returncode == 2 and does_name(second.stderr.splitlines()[-1], "gymqa: hanging", "q4", "0.5 s")
    assert asked.read_text().splitlines()[2:] == ["q6 q7 q8", "q3", "q4"]  # what hung comes last and alone
    third = started(out)
    assert third.returncode == 0, third.stderr
    assert asked.read_text().splitlines()[5:] == ["q5"]
    found = {one.question_id: (one.choice, one.error) for one in load_predictions(out)}
    assert found.pop("q4") == (None, "no answer within 0.5 s, 2 times")
    assert set(found.values()) == {(1, None)} and len(found) == 8
    assert not out.with_name("p.jsonl.parts").exists()


@pytest.mark.slow
def test_code_that_keeps_pythons_lock_is_ended_too_and_found(tmp_path: Path) -> None:
    out, asked = tmp_path / "p.jsonl", tmp_path / "asked"
    first, second, third = (started(out, "held") for _ in range(3))
    assert (first.returncode, second.returncode, third.returncode) == (1, 1, 0), third.stderr
    assert asked.read_text().splitlines() == ["q0 q1 q2", "q3 q4 q5", "q6 q7 q8", "q3", "q4", "q5"]
    assert does_name(second.stderr, "hanging", "q3, q4, q5")
    found = {one.question_id: one.error for one in load_predictions(out)}
    assert found.pop("q4") == "no answer within 0.5 s, 2 times" and set(found.values()) == {None}


def test_a_process_that_is_killed_while_it_asks_accuses_no_question(tmp_path: Path) -> None:
    out, notes = tmp_path / "p.jsonl", tmp_path / "asked"
    command = [sys.executable, "-m", "tests.helpers.hanging_asker", str(out), "60"]
    with subprocess.Popen(command, cwd=ROOT) as process:
        while not (notes.exists() and "q4" in notes.read_text()):
            time.sleep(0.05)
        process.kill()
    (left,) = tmp_path.glob(f"p.jsonl.parts/*/*{SUFFIX}")
    assert left.read_text() == '["q3", "q4", "q5"]\n'
    assert Watchdog(9.0, left, "m").order([questions(9)]) == ([questions(9)], [], [])


def test_without_a_limit_nothing_is_given_up(tmp_path: Path) -> None:
    notes = tmp_path / f"0{SUFFIX}"
    notes.write_text('["q0", "q1"]\nTimeout\n["q2"]\n["q1"]\nTimeout (0:00:09)!\nThread 1:\nTimeout\n["q2", "q')
    asked = questions(3)
    assert Watchdog(None, notes, "m").order([asked]) == ([asked], [], [])
    assert Watchdog(9.0, notes, "m").order([asked]) == ([asked[2:]], asked[:1], asked[1:2])
    before = notes.read_text()
    with Watchdog(9.0, notes, "m").over(asked):
        assert notes.read_text() == before.removesuffix('["q2", "q') + '["q0", "q1", "q2"]\n'
    assert notes.read_text() == before.removesuffix('["q2", "q')


def test_a_process_ends_itself_though_the_note_cannot_be_completed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from pathlib import Path; from eval.run.watchdog import Watchdog\n"
        "from tests.helpers.asked import questions\n"
        "with Watchdog(0.2, Path(sys.argv[1]), 'm').over(questions(1)):\n"
        "    os.closerange(2, 200); time.sleep(60)"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path / "0.hung")], cwd=ROOT, timeout=60)
    assert ran.returncode == 2


@pytest.mark.parametrize("seconds", [0.0, -1.0, math.nan, math.inf, 1e300])
def test_a_limit_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(GymQAError, match=naming("--answer_timeout")):
        evaluate("m", questions=[Path("q.jsonl")], answer_timeout=seconds)
