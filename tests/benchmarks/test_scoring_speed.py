"""The benchmark of scoring runs at a small size and writes its figures."""

from pathlib import Path

import pytest
from scoring_speed import PARTS, main

from gymqa.io.files import read_json


@pytest.mark.slow
def test_every_part_is_timed_and_the_memory_of_reading_measured(tmp_path: Path) -> None:
    main(tmp_path / "figures.json", quick=True)
    found = read_json(tmp_path / "figures.json")
    assert set(found["seconds"]) == {"reading", *PARTS, "total"}
    assert found["seconds"]["total"]["cpu"] < 20
    assert all(0 < one["peak_gb"] < 2 for one in found["reading"].values())
