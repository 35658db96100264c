"""Progress of a job: a bar in a terminal, elsewhere a line now and then, never one for each step."""

import io
import time
from collections.abc import Iterator

import pytest
from rich.console import Console

from gymqa.io import console as console_module
from gymqa.io.console import progress_bar
from tests.helpers.naming import does_name

LINE_EVERY = console_module.LINE_EVERY


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is printed where there is no terminal, with a line every 50 ms instead of every 20 s."""
    stream = io.StringIO()
    monkeypatch.setattr(console_module, "console", Console(file=stream, force_terminal=False))
    monkeypatch.setattr(console_module, "LINE_EVERY", 0.05)
    yield stream


def test_a_long_job_says_step_rate_and_time_left_now_and_then(log: io.StringIO) -> None:
    assert 15 <= LINE_EVERY <= 30
    with progress_bar("training [sefar]", 10_000, done=100) as bar:
        began = time.monotonic()
        while time.monotonic() - began < 0.23:
            bar.advance(note="loss 0.5")
            time.sleep(0.001)
    *lines, last = log.getvalue().splitlines()
    assert 2 <= len(lines) <= 5, "one every interval, whatever the number of steps"
    assert all(line.startswith("training [sefar]: ") for line in [*lines, last])
    assert all(does_name(line, "steps/s", "left", "loss 0.5") and "/10000" in line for line in lines)
    counted = [int(line.split(": ")[1].split("/")[0]) for line in [*lines, last]]
    assert counted == sorted(counted) and counted[0] > 100


def test_a_job_whose_steps_take_longer_than_the_interval_is_seen_to_live(log: io.StringIO) -> None:
    with progress_bar("trainings", 3) as bar:
        time.sleep(0.12)
        bar.advance()
        time.sleep(0.06)
    lines = log.getvalue().splitlines()
    assert len(lines) >= 3 and lines[0].startswith("trainings: 0/3, running for")
    assert any(does_name(line, "steps/s", "left") for line in lines) and "1/3" in lines[-1]


def test_a_short_job_is_a_single_line(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_module, "LINE_EVERY", LINE_EVERY)
    with progress_bar("cutting", 4, done=1) as bar:
        for _ in range(3):
            bar.advance()
    assert log.getvalue() == "cutting: 4/4 in 0:00:00\n"


def test_the_name_of_a_model_is_no_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("asking openai:m", 1):
        pass
    assert "asking openai:m:" in capsys.readouterr().err


def test_of_nested_jobs_the_inner_one_prints(log: io.StringIO) -> None:
    with progress_bar("outer", 2), progress_bar("inner", 2):
        time.sleep(0.12)
    lines = log.getvalue().splitlines()[:-1]
    assert lines and all(line.startswith("inner") for line in lines)


def test_a_terminal_shows_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(console_module, "console", Console(file=stream, force_terminal=True, width=120))
    monkeypatch.setattr(console_module, "LINE_EVERY", 0.01)
    with progress_bar("training", 3) as bar:
        bar.advance(3)
        time.sleep(0.03)
    assert "━" in stream.getvalue() and "running for" not in stream.getvalue()
