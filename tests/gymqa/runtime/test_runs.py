"""The run folder: finished steps are skipped, stopped ones go on, changed ones start anew."""

import json
from pathlib import Path

import pytest
import yaml

from gymqa.errors import GymQAError
from gymqa.runtime.runs import MetricsLog, Run, environment, mark_done, read_metrics, require_writable, step_done
from tests.helpers.naming import naming


def test_a_step_is_done_only_under_its_own_fingerprint(tmp_path: Path) -> None:
    mark_done(tmp_path, "render", {"seed": 1, "size": (48, 48), "root": Path("x")})
    assert step_done(tmp_path, "render", {"root": Path("x"), "size": [48, 48], "seed": 1})
    assert not step_done(tmp_path, "render", {"seed": 2, "size": [48, 48], "root": "x"})
    assert not step_done(tmp_path, "split", {"seed": 1})


def test_a_damaged_stamp_counts_as_not_done(tmp_path: Path) -> None:
    mark_done(tmp_path, "render", {"seed": 1})
    (tmp_path / "steps" / "render.json").write_text('{"fingerpr')
    assert not step_done(tmp_path, "render", {"seed": 1})


def _steps(folder: Path, seed: int, ran: list[str]) -> None:
    """Run two steps of which the second reads the first; note which of them did work."""
    run = Run(folder, {"seed": seed})

    def first() -> None:
        ran.append("first")
        (folder / "first.txt").write_text(str(seed))

    def second() -> None:
        ran.append("second")
        (folder / "second").mkdir(exist_ok=True)

    run.step("first", {"seed": seed}, ["first.txt"], first)
    run.step("second", {}, ["second"], second, after=["first"])


def test_a_second_run_skips_finished_steps(tmp_path: Path) -> None:
    ran: list[str] = []
    _steps(tmp_path, 0, ran)
    _steps(tmp_path, 0, ran)
    assert ran == ["first", "second"]


def test_a_changed_step_runs_again_and_so_do_the_steps_that_read_it(tmp_path: Path) -> None:
    ran: list[str] = []
    _steps(tmp_path, 0, ran)
    (tmp_path / "second" / "stale").touch()
    _steps(tmp_path, 1, ran)
    assert ran == ["first", "second"] * 2
    assert not (tmp_path / "second" / "stale").exists()


def test_a_step_whose_output_was_removed_runs_again(tmp_path: Path) -> None:
    ran: list[str] = []
    _steps(tmp_path, 0, ran)
    (tmp_path / "first.txt").unlink()
    _steps(tmp_path, 0, ran)
    assert ran == ["first", "second", "first"]


def test_a_stopped_step_finds_what_it_left(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    output = tmp_path / "half"

    def stopped() -> None:
        output.mkdir()
        (output / "part-0").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.step("work", {"seed": 0}, ["half"], stopped)
    assert not step_done(tmp_path, "work", {"seed": 0})
    found: list[Path] = []
    assert run.step("work", {"seed": 0}, ["half"], lambda: found.extend(output.iterdir()))
    assert found == [output / "part-0"]


def test_a_stopped_step_does_not_go_on_from_what_other_settings_left(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    output = tmp_path / "half"

    def stopped() -> None:
        output.mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.step("work", {"seed": 0}, ["half"], stopped)
    run.step("work", {"seed": 1}, ["half"], lambda: output.mkdir())
    assert output.is_dir()


def test_a_folder_no_run_made_is_left_alone(tmp_path: Path) -> None:
    run = Run(tmp_path, {})
    precious = tmp_path / "release" / "mine.txt"
    precious.parent.mkdir()
    precious.touch()
    with pytest.raises(GymQAError, match=naming(tmp_path / "release", "--out")):
        run.step("render", {}, ["release"], lambda: None)
    assert precious.exists()


@pytest.mark.parametrize("output", ["../outside", ".", "/outside"])
def test_a_step_has_no_output_outside_the_run_folder(tmp_path: Path, output: str) -> None:
    with pytest.raises(ValueError, match=naming(output)):
        Run(tmp_path / "run", {}).step("work", {}, [output], lambda: None)


def test_reading_an_unfinished_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("render")):
        Run(tmp_path, {}).step("split", {}, [], lambda: None, after=["render"])


def test_the_folder_says_what_was_asked_and_where_it_ran(tmp_path: Path) -> None:
    Run(tmp_path, {"out": tmp_path, "combo": (2, 2, 4), "seed": 3}, seed=3).log("hello")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config == {"combo": [2, 2, 4], "out": str(tmp_path), "seed": 3}
    saved = json.loads((tmp_path / "environment.json").read_text())
    assert saved == environment(seed=3)
    assert saved["versions"]["torch"] is not None
    assert (tmp_path / "log.txt").read_text().endswith("hello\n")


def test_an_unwritable_out_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/run")):
        with pytest.raises(GymQAError, match=naming(folder, "--out")):
            require_writable(folder)


def test_metrics_go_on_from_the_resumed_step(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in (10, 20, 30):
        log.add(step, loss=1.0 / step)
    with path.open("a") as lines:
        lines.write('{"step": 40, "lo')  # stopped in the middle of a line
    resumed = MetricsLog(path, resume_step=20)
    resumed.add(30, loss=0.5)
    assert read_metrics(path) == [{"step": 10, "loss": 0.1}, {"step": 20, "loss": 0.05}, {"step": 30, "loss": 0.5}]


def test_a_new_run_starts_its_metrics_anew(tmp_path: Path) -> None:
    MetricsLog(tmp_path / "metrics.jsonl").add(10, loss=1.0)
    MetricsLog(tmp_path / "metrics.jsonl").add(5, loss=2.0)
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 5, "loss": 2.0}]
