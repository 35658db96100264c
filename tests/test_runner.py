"""Every question is asked once, whatever happens: killed, half-written, changed, or asked by two at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.runner import run, settings_path
from gymqa.errors import GymQAError
from gymqa.questions import Answer, Question, load_predictions


def questions(n: int) -> list[Question]:
    return [
        Question(
            f"q{i}", f"clip{i}", f"v{i}", "Which?", ("a", "b", "c"), i % 3, "set", "set", (0, 1, 2), "FX", 1, i % 3
        )
        for i in range(n)
    ]


class Scripted:
    """Always answers the same letter, notes what it was asked, and can be told to stop or to change."""

    def __init__(self, choice: int | None = 1, stop_before: str | None = None) -> None:
        self.name, self.choice, self.stop_before = "scripted", choice, stop_before
        self.asked: list[str] = []

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        if any(question.id == self.stop_before for question in questions):
            raise KeyboardInterrupt
        self.asked += [question.id for question in questions]
        return [Answer(question.id, self.choice, (0.1, 0.8, 0.1)) for question in reversed(questions)]

    def fingerprint(self) -> dict[str, object]:
        return {"choice": self.choice, "parts": ("a", "b")}


def test_predictions_are_the_same_for_every_batch_size(tmp_path: Path) -> None:
    files = []
    for size in (1, 4, 100):
        out = tmp_path / f"{size}.jsonl"
        predictions = run(Scripted(), questions(10), out, size)
        assert [prediction.question_id for prediction in predictions] == [f"q{i}" for i in range(10)]
        assert load_predictions(out) == predictions
        files.append(out.read_bytes())
    assert files[0] == files[1] == files[2]
    first = json.loads(files[0].split(b"\n")[0])
    assert first["benchmark"] == "gym-qa-hard" and first["choice"] == 1 and first["answer"] == 0


def test_a_stopped_run_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    first = Scripted(stop_before="q6")
    with pytest.raises(KeyboardInterrupt):
        run(first, questions(10), out, 2)
    second = Scripted()
    run(second, questions(10), out, 2)
    assert first.asked + second.asked == [f"q{i}" for i in range(10)]
    third = Scripted()
    assert len(run(third, questions(10), out)) == 10
    assert third.asked == []


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_half_written_last_line_is_dropped_and_its_question_asked_again(tmp_path: Path, cut: int) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(5), out)
    whole = out.read_bytes()
    out.write_bytes(whole[:-cut])
    again = Scripted()
    run(again, questions(5), out)
    assert again.asked == (["q4"] if cut < 200 else ["q3", "q4"])
    assert out.read_bytes() == whole


def test_a_changed_model_questions_or_settings_start_over(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(choice=1), questions(4), out)
    assert {p.choice for p in run(Scripted(choice=2), questions(4), out)} == {2}
    assert len(run(Scripted(choice=2), questions(3), out)) == 3
    changed = Scripted(choice=2)
    run(changed, questions(3), out, settings={"scoring": "letters"})
    assert len(changed.asked) == 3 and len(load_predictions(out)) == 3


def test_answers_without_readable_settings_are_not_trusted(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(2), out)
    settings_path(out).write_text("{half")
    again = Scripted()
    run(again, questions(2), out)
    assert again.asked == ["q0", "q1"]


def test_a_file_that_no_run_made_is_left_as_it_is(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("do not lose me")
    with pytest.raises(GymQAError, match="no run made it; move it away"):
        run(Scripted(), questions(2), notes)
    assert notes.read_text() == "do not lose me" and not settings_path(notes).exists()


def test_unanswered_is_kept_as_unanswered(tmp_path: Path) -> None:
    (prediction,) = run(Scripted(choice=None), questions(1), tmp_path / "p.jsonl")
    assert prediction.choice is None


class Wrong:
    """A model that breaks its promise in one way."""

    def __init__(self, answers: list[Answer]) -> None:
        self.name, self._answers = "wrong", answers

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        return self._answers


@pytest.mark.parametrize(
    "answers",
    [
        [Answer("q0", 0)],
        [Answer("q0", 0), Answer("q7", 0)],
        [Answer("q0", 0), Answer("q0", 1)],
        [Answer("q0", 0), Answer("q1", 3)],
        [Answer("q0", 0), Answer("q1", -1)],
        [Answer("q0", 0), Answer("q1", 0, (0.5, 0.5))],
        [Answer("q0", 0), Answer("q1", 0, (float("nan"), 0.5, 0.5))],
    ],
)
def test_answers_that_fit_no_question_are_refused_and_nothing_is_kept(tmp_path: Path, answers: list[Answer]) -> None:
    out = tmp_path / "p.jsonl"
    with pytest.raises(GymQAError):
        run(Wrong(answers), questions(2), out)
    assert out.read_bytes() == b""


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(3), out)
    lines = out.read_text().splitlines(keepends=True)
    for damaged in (lines[0] + "garbage\n" + lines[2], lines[0] + lines[0] + lines[1]):
        out.write_text(damaged)
        with pytest.raises(GymQAError, match=r"p\.jsonl:2 .* remove the file"):
            run(Scripted(), questions(3), out)


def test_an_id_twice_a_file_for_a_folder_and_a_batch_of_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match="an id twice"):
        run(Scripted(), questions(2) + questions(1), tmp_path / "p.jsonl")
    with pytest.raises(GymQAError, match="batch size"):
        run(Scripted(), questions(2), tmp_path / "p.jsonl", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(GymQAError, match="cannot write"):
        run(Scripted(), questions(2), tmp_path / "file" / "p.jsonl")


def test_odd_text_in_an_error_survives_the_file(tmp_path: Path) -> None:
    reason = "clip\udc80.mp4\u2028 is broken\n"
    model = Wrong([Answer("q0", None, None, reason)])
    run(model, questions(1), tmp_path / "p.jsonl")
    (again,) = run(model, questions(1), tmp_path / "p.jsonl")
    assert again.error == reason


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, str(Path({tests!r}).parent)); sys.path.insert(0, {tests!r})
from test_runner import Scripted, questions
from eval.runner import run

class Slow(Scripted):
    def answer(self, questions):
        time.sleep(0.002)
        with open({log!r}, "a") as log:
            log.write("".join(f"{{question.id}} " for question in questions))
        return super().answer(questions)

run(Slow(), questions(400), Path({out!r}), 1)
"""


def slow_run(tmp_path: Path) -> "subprocess.Popen[bytes]":
    code = SLOW.format(tests=str(Path(__file__).parent), log=str(tmp_path / "asked"), out=str(tmp_path / "p.jsonl"))
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)


def wait_for_lines(out: Path, n: int) -> None:
    deadline = time.monotonic() + 60
    while not out.exists() or out.read_bytes().count(b"\n") < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_killed_again_and_again_it_loses_and_repeats_nothing(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    for kill in range(3):
        process = slow_run(tmp_path)
        wait_for_lines(out, 80 * (kill + 1))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert slow_run(tmp_path).wait() == 0
    assert [prediction.question_id for prediction in load_predictions(out)] == [f"q{i}" for i in range(400)]
    asked = (tmp_path / "asked").read_text().split()
    assert len(asked) - len(set(asked)) <= 3  # at each kill, at most the one question whose answer was not on disk yet


def test_two_processes_cannot_write_one_file(tmp_path: Path) -> None:
    process = slow_run(tmp_path)
    try:
        wait_for_lines(tmp_path / "p.jsonl", 1)
        with pytest.raises(GymQAError, match="another process"):
            run(Scripted(), questions(400), tmp_path / "p.jsonl", 1)
    finally:
        process.kill()
        process.wait()
