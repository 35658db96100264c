"""The benchmark of the leaderboard runs, and its page stays light."""

import json
from pathlib import Path

import leaderboard_speed
import pytest

from eval.leaderboard.schema import ModelRun
from eval.report.samples import pack_samples, packed_size


@pytest.mark.slow
def test_a_quick_round_writes_its_figures(tmp_path: Path) -> None:
    leaderboard_speed.main(tmp_path / "speed.json", quick=True)
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["samples"]["shown"] == found["samples"]["total"] == 600
    assert found["seconds"]["total"] > 0 and found["page_bytes"] < 220_000


@pytest.mark.slow
def test_all_of_gym99_fits_a_page_of_a_megabyte() -> None:
    asked = leaderboard_speed.make_questions(8521)
    skill = leaderboard_speed.SKILL.items()
    runs = [ModelRun(name, "", {"gym-qa": leaderboard_speed.make_predictions(asked, one, 0)}) for name, one in skill]
    packed = pack_samples({"gym-qa": asked}, runs)
    assert packed["shown"] == packed["total"] == 8521 and packed_size(packed) < 700_000
