"""A data set with a file missing, cut short, damaged inside or somebody else's is named; the next one replaces it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.hub.data_card import data_card
from gymqa.hub.load import load_gym_qa
from gymqa.hub.question_dataset import sort_questions, write_dataset
from gymqa.questions.distractors import build_questions
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.naming import does_name, naming


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of one configuration."""
    asked = build_questions([clip(label, label) for label in range(len(GYMSIM))], GYMSIM, "gym-qa-hard")
    splits = sort_questions({Path("val.jsonl"): asked}, "gymsim24")
    write_dataset(tmp_path / "ds", splits, data_card("me/gym-qa", splits, GYMSIM))
    return tmp_path / "ds"


def flip(path: Path) -> None:
    """Damage the data in the middle; the footer stays whole."""
    whole = bytearray(path.read_bytes())
    whole[4:400] = bytes(byte ^ 0x5A for byte in whole[4:400])
    path.write_bytes(whole)


def other_columns(path: Path) -> None:
    """Write a table of somebody else's."""
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"video": ["a"]}), path)


@pytest.mark.parametrize(
    ("name", "damage", "named"),
    [
        ("gymsim24-set/val.parquet", Path.unlink, ("val.parquet",)),
        ("gymsim24-set/val.parquet", lambda path: path.write_bytes(path.read_bytes()[:900]), ("val.parquet",)),
        ("gymsim24-set/val.parquet", flip, ("val.parquet",)),
        ("gymsim24-set/val.parquet", other_columns, ("val.parquet", "columns")),
        ("README.md", lambda path: path.write_text(path.read_text().replace("split: val", "split: ../x")), ("../x",)),
        ("README.md", lambda path: path.write_text("---\nconfigs: 7\n---\n"), ("ds", "card")),
    ],
)
def test_a_damaged_data_set_is_neither_loaded_nor_pushed(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    damage: Callable[[Path], object],
    named: tuple[str, ...],
) -> None:
    damage(folder / name)
    with pytest.raises(GymQAError, match=naming(*named)):
        load_gym_qa(folder, "gymsim24", "val", "set")
    assert cli.main(["hub", "push", str(folder), "--repo", "me/x", "--dry_run"]) == 2
    assert does_name(capsys.readouterr().err, *named)
    if "parquet" in name:
        assert cli.main(["export", "vlmevalkit", str(folder.parent / "kit"), "--dataset", str(folder)]) == 2
        assert not list(folder.parent.glob("kit/*"))


def test_a_source_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--repo", "me/x", "--finegym", str(tmp_path), "--dry_run"]
    assert cli.main(["hub", "push", str(tmp_path / "none"), *words]) == 2
    assert does_name(capsys.readouterr().err, tmp_path / "none")


def test_the_next_data_set_takes_the_place_of_the_whole_one_before(folder: Path) -> None:
    asked = build_questions([clip(1)], GYMSIM, "gym-qa")
    splits = sort_questions({Path("test.jsonl"): asked}, "gymsim24")
    write_dataset(folder, splits, data_card("me/gym-qa", splits, GYMSIM))
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert {str(path) for path in files} == {"README.md", "gymsim24-random/test.parquet"}
    assert [path.name for path in folder.parent.iterdir()] == ["ds"]
