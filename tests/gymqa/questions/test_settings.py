"""Questions of a setting inside a setting (Gym-New, one event, one set): built, checked, counted, pushed."""

from pathlib import Path

import pytest

from gymqa.cli import main as cli
from gymqa.finegym.annotations import open_release, read_element_list, write_element_list
from gymqa.hub.client import dataset_configs


@pytest.mark.parametrize(("setting", "benchmark"), [("gym-new", "gym-new"), ("fx", "gym-qa-hard"), ("ub", "decision")])
def test_they_pass_the_checks_of_their_setting(
    setting: str, benchmark: str, gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = open_release(gymsim_root, setting)
    clips, file = tmp_path / "val.txt", tmp_path / "val.jsonl"
    write_element_list(clips, release.read_clips(release.val_list))
    named = ["--finegym", str(gymsim_root), "--setting", setting]
    assert cli.main(["questions", "build", str(clips), *named, "--benchmark", benchmark, "--out", str(file)]) == 0
    assert cli.main(["questions", "validate", str(file), *named]) == 0
    assert cli.main(["questions", "stats", str(file), *named]) == 0
    out = tmp_path / "ds"
    assert cli.main(["hub", "push", str(file), *named, "--repo", "me/x", "--dry_run", "--out", str(out)]) == 0
    assert list(dataset_configs(out).values()) == [["val"]]
    first = file.read_text().splitlines()[0]
    file.write_text(first.replace(read_element_list(clips)[0].id, "v_E_000000_000001_A_0001_0002") + "\n")
    assert cli.main(["questions", "validate", str(file), *named]) == 2
    assert f"unknown to {setting}; name its own setting" in capsys.readouterr().out


@pytest.mark.slow
def test_gym_new_as_released_is_held_against_finegym(shared: Path, tmp_path: Path) -> None:
    clips, file = shared / "gymqa_release/lists/list_finegym_new_5/val.csv", tmp_path / "val.jsonl"
    named = ["--finegym", str(shared / "finegym"), "--setting", "gym-new"]
    assert cli.main(["questions", "build", str(clips), *named, "--benchmark", "gym-new", "--out", str(file)]) == 0
    assert len(file.read_text().splitlines()) == 1998
    assert cli.main(["questions", "validate", str(file), *named]) == 0
