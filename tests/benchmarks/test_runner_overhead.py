"""The runner costs less than a millisecond a question."""

import json
from pathlib import Path

import pytest
import runner_overhead


@pytest.mark.slow
def test_the_runner_costs_less_than_a_millisecond_a_question(tmp_path: Path) -> None:
    runner_overhead.main(tmp_path / "overhead.json", quick=True)
    found = json.loads((tmp_path / "overhead.json").read_text())
    assert found["questions"] == 400
    assert all(0 < one["median_ms"] < 1 for one in found["per_question"].values())
