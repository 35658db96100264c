"""Several trainings at a time: one that cannot be done does not keep the others from being done."""

from functools import partial
from pathlib import Path

import pytest

from gymqa.errors import GymQAError
from recognizers.training.jobs import run_jobs
from tests.helpers.naming import naming


def refused() -> None:
    raise GymQAError("its loss is not finite; lower the learning rate")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_the_others_are_done_and_then_the_failed_one_is_named(workers: int, tmp_path: Path) -> None:
    done = {name: partial(Path.touch, tmp_path / name) for name in ("b", "c", "d")}
    with pytest.raises(GymQAError, match=naming(1, "a")):
        run_jobs({"a": refused, **done}, workers)
    assert {path.name for path in tmp_path.iterdir()} == set(done)


def test_a_defect_ends_all_at_once(tmp_path: Path) -> None:
    jobs = {"a": partial(Path.touch, tmp_path / "no" / "folder"), "b": partial(Path.touch, tmp_path / "b")}
    with pytest.raises(FileNotFoundError):
        run_jobs(jobs, 1)
    assert not (tmp_path / "b").exists()
