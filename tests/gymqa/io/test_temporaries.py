"""Temporary files of killed processes are taken for nothing else and removed; those of running ones stay."""

import os
import signal
from pathlib import Path

import pytest

from gymqa.io import temporaries
from gymqa.io.files import atomic_path, only_writer, replaced_folder, visible_files, write_text
from gymqa.io.temporaries import SUFFIX, temporary_beside
from tests.helpers import warm

KILLED = """
import os, signal, sys
from pathlib import Path
from gymqa.io.files import {writer}
with {writer}(Path(sys.argv[1])) as new:
    {work}
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)"


def left_by_killed(target: Path, writer: str = "atomic_path", work: str = DIE) -> Path:
    """The temporary that a process killed while it writes `target` leaves."""
    assert warm.run(["-c", KILLED.format(writer=writer, work=work), str(target)]).returncode == -signal.SIGKILL
    [left] = target.parent.glob(f".*{SUFFIX}")
    return left


def named(target: Path, **changed: object) -> Path:
    """An existing temporary of this process, but for a part of its name."""
    whole = temporary_beside(target).name.removesuffix(SUFFIX).rpartition(".")
    parts = dict(zip(("machine", "process", "start", "random"), whole[2].split("-"), strict=True)) | changed
    path = target.with_name(f"{whole[0]}.{'-'.join(map(str, parts.values()))}{SUFFIX}")
    path.touch()
    return path


def test_what_a_killed_process_left_is_removed_at_the_next_write(tmp_path: Path) -> None:
    target = tmp_path / "gym-qa.jsonl"
    left = left_by_killed(target)
    write_text(tmp_path / "other.txt", "x")
    assert not left.exists() and [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_no_pattern_for_results_matches_a_temporary(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a" / "gym-qa.jsonl") as temporary:
        assert temporary.parent == tmp_path / "a"
        assert not list(tmp_path.rglob("*.jsonl")) and not visible_files(tmp_path, "**/*")


def test_what_another_running_process_writes_stays(tmp_path: Path) -> None:
    parent = os.getppid()
    theirs = named(tmp_path / "a.txt", process=parent, start=temporaries._start(parent))
    with only_writer(tmp_path, "it"):
        write_text(tmp_path / "a.txt", "x")
    assert theirs.exists()


def test_a_process_id_that_is_used_again_is_another_process(tmp_path: Path) -> None:
    left = named(tmp_path / "a.txt", start=1)
    write_text(tmp_path / "a.txt", "x")
    assert not left.exists()


def test_another_machines_are_removed_after_a_day_or_under_the_folders_lock(tmp_path: Path) -> None:
    new, old = (named(tmp_path / name, machine="0" * 8) for name in ("new.txt", "old.txt"))
    os.utime(old, (0, old.stat().st_mtime - 90_000))
    write_text(tmp_path / "a.txt", "x")
    assert new.exists() and not old.exists()
    (tmp_path / "inner").mkdir()
    inner = named(tmp_path / "inner" / "new.txt", machine="0" * 8)
    with only_writer(tmp_path, "it"):
        assert not new.exists() and not inner.exists()


def test_a_folder_killed_between_its_two_renamings_is_there_after_the_next_write(tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    write_text(target / "a.txt", "before")
    work = f"new.mkdir(); (new / 'a.txt').write_text('after'); Path.rename = lambda *two: os.rename(*two) or {DIE}"
    left = left_by_killed(target, "replaced_folder", work)
    assert not target.exists()
    write_text(tmp_path / "b.txt", "x")
    assert (target / "a.txt").read_text() == "after" and not left.exists()


def test_a_folder_killed_before_is_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "dataset"
    write_text(target / "a.txt", "before")
    left_by_killed(target, "replaced_folder", f"new.mkdir(); {DIE}")
    with replaced_folder(target) as new:
        assert len(list(tmp_path.iterdir())) == 2  # that of the killed process is gone
        assert (target / "a.txt").read_text() == "before"
        new.mkdir()
    assert not list(target.iterdir()) and [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_large_folder_is_searched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporaries, "_LARGE", 3)
    for number in range(5):
        write_text(tmp_path / f"{number}.txt", "x")
    left = named(tmp_path / "a.txt", start=1)
    write_text(tmp_path / "5.txt", "x")
    assert left.exists()


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "é" * 127):
        write_text(tmp_path / name, "x")
        assert (tmp_path / name).read_text() == "x"
