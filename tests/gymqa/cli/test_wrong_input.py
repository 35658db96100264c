"""What cannot be done is refused with one sentence and status 2, and leaves nothing behind."""

import errno
import json
import os
import runpy
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.finegym.temporal import read_annotations
from gymqa.runtime.workers import deaths_reported
from gymqa.sim.release import ReleaseConfig, render_release
from tests.helpers.naming import does_name, naming
from tests.helpers.places import ROOT

CLIP = "VIDEO_E_000000_000009_A_0000_0001"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("questions build {val} --finegym {release} --out {folder}", ("{folder}",)),
        ("render --out {folder}/new --release.seed -1", ("seed", "-1")),
        ("render --out {folder}/new --workers 0", ("0 workers",)),
        ("cache {release} --lists {val} --out {folder}/new --size 0", ("32", "0")),
        ("cache {release} --lists {val} --out {folder}/new --size -4", ("32", "-4")),
        ("cache {release} --lists {val} --out {folder}/new --max_frames 0", ("0", "48")),
        ("cache {release} --lists {val} --out {folder}/new --workers -1", ("-1 workers",)),
    ],
)
def test_impossible_options_are_refused(
    words: str, said: tuple[str, ...], gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    named = {"val": gymsim_root / "annotations" / "gymsim24_val_element.txt", "release": gymsim_root, "folder": folder}
    assert cli.main(words.format(**named).split()) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("gymqa: ") and printed.count("\n") == 1
    assert does_name(printed, *(token.format(**named) for token in said))
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "words",
    [
        "benchmarks/speed/measure_demo.py --out {here}",
        "scripts/pretrain_tiny_vicuna.py --steps many",
        "scripts/leaderboard.py --resamples many",
    ],
)
def test_scripts_answer_wrong_words_as_the_commands_do(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script, *options = words.format(here=tmp_path).split()
    monkeypatch.setattr(sys, "argv", [script, *options])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("gymqa: ") and said.count("\n") == 1


def test_what_the_system_refuses_is_a_sentence_and_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / ("x" * 300)
    assert cli.main(["split", str(long), "--out", str(tmp_path)]) == 2
    assert f"gymqa: {long}" in capsys.readouterr().err
    for number in (errno.EACCES, errno.ENOSPC):
        monkeypatch.setattr(cli, "dispatch", partial(_fail, OSError(number, os.strerror(number), "some.txt")))
        assert cli.main([]) == 2
        assert capsys.readouterr().err.startswith(f"gymqa: some.txt: {os.strerror(number)}; ")


def _fail(error: Exception, _: object) -> None:
    raise error


@pytest.mark.parametrize("video", ["../../etc/x", "", "a/b", "a b"])
def test_a_video_id_that_could_be_a_path_is_refused(video: str, tmp_path: Path) -> None:
    file = tmp_path / "finegym_annotation_info.json"
    file.write_text(json.dumps({video: {}}))
    with pytest.raises(GymQAError, match=naming("finegym_annotation_info.json:1", repr(video))):
        read_annotations(file)


def test_split_and_statistics_take_the_label_of_the_same_list(gymsim_root: Path, tmp_path: Path) -> None:
    annotations = tmp_path / "annotations"
    annotations.mkdir()
    for name in ("set_categories.txt", "gymsim24_categories.txt"):
        (annotations / name).write_text((gymsim_root / "annotations" / name).read_text())
    for label, version in enumerate(("_v1.0", "_v1.1", "")):
        (annotations / f"gymsim24_train_element{version}.txt").write_text(f"{CLIP} {label}\n")
        release = open_release(tmp_path)
        (clip,) = release.read_clips(release.train_list)
        assert clip.label == label == release.read_labels()[CLIP]


def _die(*arguments: object) -> None:
    os._exit(1)


@pytest.mark.slow
def test_a_rendering_process_that_is_killed_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gymqa.sim.release.render_video", _die)
    with pytest.raises(GymQAError, match=naming("workers")):
        render_release(tmp_path, ReleaseConfig(train_videos=1, val_videos=1, raw_videos=0, size=64), workers=1)


def test_the_death_of_a_worker_is_one_sentence() -> None:
    with (
        pytest.raises(GymQAError, match=naming("filming", "rest")),
        deaths_reported("filming", "rest"),
        ProcessPoolExecutor(1) as pool,
    ):
        pool.submit(_die).result()
