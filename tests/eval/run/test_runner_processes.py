"""Several processes share the questions: the same bytes for any number of them, and whenever they are killed."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from eval.run.parts import Parts
from eval.run.results import load_result, result_path
from eval.run.runner import run
from gymqa.errors import GymQAError
from gymqa.questions.files import load_predictions
from tests.helpers.asked import Scripted, questions
from tests.helpers.naming import naming
from tests.helpers.places import ROOT

N, BATCH = 600, 3
PROCESS = """
import sys, time
from pathlib import Path
from eval.run.runner import run
from tests.helpers.asked import Scripted, questions

out, number, processes, seconds = Path(sys.argv[1]), *map(float, sys.argv[2:5])

class Slow(Scripted):
    def answer(self, questions):
        with (out.parent / "asked").open("a") as log:
            log.write("".join(f"{question.id}\\n" for question in questions))
        time.sleep(seconds)
        return super().answer(questions)

run(Slow(), questions(int(sys.argv[5])), out, int(sys.argv[6]), process=(int(number), int(processes)))
"""


def start(out: Path, processes: int, seconds: float = 0.01) -> list["subprocess.Popen[bytes]"]:
    words = [[str(out), *map(str, (number, processes, seconds, N, BATCH))] for number in range(processes)]
    return [
        subprocess.Popen([sys.executable, "-c", PROCESS, *more], cwd=ROOT, stderr=subprocess.DEVNULL) for more in words
    ]


def wait_for_lines(out: Path, n: int) -> None:
    deadline = time.monotonic() + 60
    while sum(path.read_bytes().count(b"\n") for path in out.parent.glob("*.parts/*/*.jsonl")) < n:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def alone(folder: Path) -> tuple[bytes, bytes]:
    """Predictions and result of one process that nobody stops, with another batch size."""
    out = folder / "alone" / "p.jsonl"
    run(Scripted(), questions(N), out, 32)
    return out.read_bytes(), result_path(out).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_any_number_of_processes_gives_the_same_bytes(tmp_path: Path, processes: int) -> None:
    out = tmp_path / "p.jsonl"
    assert [process.wait() for process in start(out, processes, 0.0)] == [0] * processes
    assert (out.read_bytes(), result_path(out).read_bytes()) == alone(tmp_path)
    asked = (tmp_path / "asked").read_text().split()
    assert sorted(asked) == sorted(question.id for question in questions(N))
    assert not (tmp_path / "p.jsonl.parts").exists()


def answered(out: Path) -> set[str]:
    """The questions whose answers are on disk."""
    (folder,) = out.parent.glob("*.parts/*")
    parts = Parts(out, folder.name, [question.id for question in questions(N)])
    return set(parts.read())


@pytest.mark.slow
def test_killed_at_random_moments_with_changing_numbers_of_processes_nothing_is_lost_or_asked_twice(
    tmp_path: Path,
) -> None:
    out, rng = tmp_path / "p.jsonl", random.Random()
    safe: set[str] = set()
    for processes in (2, 1, 3, 2, 1):
        before = len((tmp_path / "asked").read_text().split()) if safe else 0
        started = start(out, processes)
        wait_for_lines(out, len(safe) + 1)
        time.sleep(rng.random() * 0.1)
        for process in rng.sample(started, len(started)):
            process.send_signal(signal.SIGKILL)
            time.sleep(rng.random() * 0.02)
        for process in started:
            process.wait()
        asked = (tmp_path / "asked").read_text().split()[before:]
        assert not safe & set(asked)
        assert len(asked) == len(set(asked))
        if out.exists():
            break  # the kill came after the last answer
        assert len(answered(out)) >= len(safe) + len(asked) - processes * BATCH
        safe = answered(out)
    assert [process.wait() for process in start(out, 2, 0.0)] == [0, 0]
    assert (out.read_bytes(), result_path(out).read_bytes()) == alone(tmp_path)
    assert [one.question_id for one in load_predictions(out)] == [f"q{i}" for i in range(N)]


@pytest.mark.slow
def test_one_of_two_killed_leaves_the_rest_to_the_next_start(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    first, second = start(out, 2)
    wait_for_lines(out, 20)
    second.kill()
    second.wait()
    wait_for_lines(out, N // 2)
    assert not out.exists() and first.poll() is None  # the first waits for the second's answers: a launcher ends it
    first.kill()
    first.wait()
    assert start(out, 1, 0.0)[0].wait() == 0
    assert out.read_bytes() == alone(tmp_path)[0]


@pytest.mark.slow
def test_two_runs_cannot_write_one_file(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    (process,) = start(out, 1)
    try:
        wait_for_lines(out, 1)
        (folder,) = tmp_path.glob("*.parts/*")
        with pytest.raises(GymQAError, match=naming("--out")):
            run(Scripted(), questions(N), out, 1)
    finally:
        process.kill()
        process.wait()
    assert folder.exists()


def test_a_process_that_comes_late_finds_all_done(tmp_path: Path) -> None:
    out = tmp_path / "p.jsonl"
    run(Scripted(), questions(4), out)
    late = Scripted()
    assert run(late, questions(4), out, process=(1, 2)) == []
    assert late.asked == [] and load_result(result_path(out)).benchmark == "gym-qa-hard"


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
