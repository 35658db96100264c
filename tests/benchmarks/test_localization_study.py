"""The localization study renders, trains, finds and writes its figures, and a second run only reads."""

from pathlib import Path

import pytest
from localization_study import PAPER, StudyConfig, main

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.sim.release import ReleaseConfig
from recognizers.localization.config import LEVELS, LocalizationConfig
from tests.helpers.naming import naming


@pytest.mark.slow
def test_the_study_writes_the_table_of_both_levels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = ReleaseConfig(train_videos=1, val_videos=1, raw_videos=2, size=32)
    training = LocalizationConfig(hidden=16, actionness_steps=10, steps=10)
    study = StudyConfig(release, 4.0, training, seeds=(0,))
    main(tmp_path / "run", tmp_path / "found.json", 1, study=study)
    figures = read_json(tmp_path / "found.json")
    assert list(figures["levels"]) == list(LEVELS) == list(PAPER)
    for level, classes in (("action", 4), ("sub-action", 24)):
        found = figures["levels"][level]
        assert found["classes"] == classes and found["test"]["videos"] == 1
        assert all(0 <= found["scores"][f"mAP@{name}"]["mean"] <= 1 for name in ("0.50", "0.90"))
    assert figures["speed"]["videos_per_second"] > 0 and "python" in figures["environment"]
    assert "sub-action, FineGym (paper)  22.2  15.4  9.2   3.9   0.6   9.6" in capsys.readouterr().out
    trained = (tmp_path / "run" / "action-0" / "model.safetensors").stat().st_mtime_ns
    main(tmp_path / "run", tmp_path / "again.json", 1, study=study)
    assert (tmp_path / "run" / "action-0" / "model.safetensors").stat().st_mtime_ns == trained
    assert read_json(tmp_path / "again.json")["levels"] == figures["levels"]


def test_competitions_without_a_raw_video_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("release.raw_videos")):
        StudyConfig(ReleaseConfig(train_videos=2, val_videos=2, raw_videos=3))
