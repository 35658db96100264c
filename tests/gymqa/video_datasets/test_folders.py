"""Folders as everybody has them become data sets: class folders, train and val, videofolder's metadata, groups."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.video_datasets.base import VideoDataset
from gymqa.video_datasets.imported import read_import
from gymqa.video_datasets.registry import read_dataset
from tests.helpers.naming import does_name, naming


def touch(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def paths(dataset: VideoDataset, side: str) -> list[str]:
    return [dataset.paths[clip.id] for clip in (dataset.val if side == "val" else dataset.train)]


CLASSES = [f"{name}/P{person}_{take}.mp4" for name in ("jump", "run") for person in range(5) for take in range(4)]


def test_class_folders_are_split_by_a_fraction_of_each_class(tmp_path: Path) -> None:
    root = touch(tmp_path, CLASSES)
    dataset, _ = read_dataset("folders", root, val_fraction=0.25)
    assert dataset.classes == ("jump", "run")
    assert sorted(paths(dataset, "val") + paths(dataset, "train")) == sorted(CLASSES)
    assert [sum(path.startswith(name) for path in paths(dataset, "val")) for name in dataset.classes] == [5, 5]
    again, other = (read_dataset("folders", root, val_fraction=0.25, seed=seed)[0] for seed in (0, 1))
    assert paths(again, "val") == paths(dataset, "val") != paths(other, "val")


def test_groups_stay_together(tmp_path: Path) -> None:
    root = touch(tmp_path, CLASSES)
    dataset, _ = read_dataset("folders", root, val_fraction=0.4, group=r"(P\d)_")
    people = [{path.split("/")[1][:2] for path in paths(dataset, side)} for side in ("val", "train")]
    assert people[0] and people[1] and not people[0] & people[1] and len(people[0] | people[1]) == 5
    assert {clip.video_id for clip in dataset.val} == people[0]


def test_one_group_is_left_out_as_weizmanns_persons_are(tmp_path: Path) -> None:
    root = touch(tmp_path, CLASSES)
    for group in (None, r"/(P\d)"):
        dataset, _ = read_dataset("folders", root, fold="P3", group=group)
        assert {path.split("/")[1][:2] for path in paths(dataset, "val")} == {"P3"} and len(dataset.val) == 8
    takes, _ = read_dataset("folders", root, fold="2", group=r"_(\d)\.")
    assert len(takes.val) == 10


@pytest.mark.parametrize("name", ["val", "validation", "valid", "test"])
def test_train_and_val_folders_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    root = touch(
        tmp_path, ["train/a/1.mp4", "train/b/2.avi", f"{name}/a/1.mp4", f"{name}/b/3.webm", "train/a/notes.txt"]
    )
    dataset, _ = read_dataset("folders", root)
    assert paths(dataset, "train") == ["train/a/1.mp4", "train/b/2.avi"]
    assert paths(dataset, "val") == [f"{name}/a/1.mp4", f"{name}/b/3.webm"] and dataset.classes == ("a", "b")
    with pytest.raises(GymQAError, match=naming("--val_fraction")):
        read_dataset("folders", root, val_fraction=0.5)


def test_of_several_test_folders_the_fold_names_one(tmp_path: Path) -> None:
    root = touch(tmp_path, ["train/a/1.mp4", "val/a/2.mp4", "test/a/3.mp4"])
    with pytest.raises(GymQAError, match=naming("val and test", "--fold")):
        read_dataset("folders", root)
    for fold, number in (("val", 2), ("test", 3)):
        assert paths(read_dataset("folders", root, fold=fold)[0], "val") == [f"{fold}/a/{number}.mp4"]


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    root = touch(tmp_path, [f"{name}/{number}.mp4" for name in ("train", "bus") for number in range(3)])
    dataset, _ = read_dataset("folders", root, val_fraction=0.3)
    assert dataset.classes == ("bus", "train") and len(dataset.val) == 2


def test_train_alone_is_split_by_a_fraction(tmp_path: Path) -> None:
    root = touch(tmp_path, [f"train/{path}" for path in CLASSES])
    dataset, _ = read_dataset("folders", root, val_fraction=0.25)
    assert len(dataset.val) == 10 and len(dataset.train) == 30


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_videofolders_metadata_name_videos_and_labels(tmp_path: Path, suffix: str) -> None:
    for part, rows in (("train", [("v/1.mp4", "jump"), ("v/2.mp4", "run")]), ("test", [("v/1.mp4", "run")])):
        folder = tmp_path / part
        folder.mkdir()
        lines = [json.dumps({"file_name": name, "label": label}) for name, label in rows]
        table = ["file_name,label", *(f"{name},{label}" for name, label in rows)]
        (folder / f"metadata.{suffix}").write_text("\n".join(lines if suffix == "jsonl" else table) + "\n")
    dataset, _ = read_dataset("folders", tmp_path)
    assert dataset.classes == ("jump", "run")
    assert paths(dataset, "train") == ["train/v/1.mp4", "train/v/2.mp4"] and paths(dataset, "val") == ["test/v/1.mp4"]
    assert [clip.label for clip in (*dataset.train, *dataset.val)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ('{"label": "a"}\n', "metadata.jsonl:1"), ('{"file_name": "a.mp4", "label": null}\n', "metadata.jsonl:1"),
        ('{"file_name": "a/1.mp4"}\n\n{"file_name": "../1.mp4", "label": "x"}\n', "metadata.jsonl:3"),
        ("[1]\n", "metadata.jsonl:1"), ("{\n", "metadata.jsonl"),
        ('{"file_name": "a/1.mp4"}\n{"file_name": "a/1.mp4"}\n{"file_name": "b/2.mp4"}\n', "metadata.jsonl:2"),
    ],
)  # fmt: skip
def test_wrong_metadata_are_named_by_line(tmp_path: Path, lines: str, named: str) -> None:
    (tmp_path / "metadata.jsonl").write_text(lines)
    with pytest.raises(GymQAError, match=naming(named)):
        read_dataset("folders", tmp_path, val_fraction=0.5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"val_fraction": 0.0}, "0"), ({"val_fraction": float("nan")}, "nan"), ({"group": "(", "fold": "x"}, "("),
        ({"group": "Q(.)", "val_fraction": 0.5}, "Q(.)"), ({"val_fraction": 0.5, "fold": "P1"}, "--fold"),
        ({"fold": "P9"}, "P9"), ({}, "--val_fraction"), ({"group": r"_\d", "fold": "none"}, "_0, _1, _2, _3"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(tmp_path: Path, options: dict[str, object], named: str) -> None:
    root = touch(tmp_path, CLASSES)
    with pytest.raises(GymQAError, match=naming(named)):
        read_dataset("folders", root, **options)  # type: ignore[arg-type]


def test_a_long_list_of_groups_is_cut(tmp_path: Path) -> None:
    root = touch(tmp_path, [f"a/person{number:03}_1.mp4" for number in range(189)])
    with pytest.raises(GymQAError, match=naming("189 in all")) as refused:
        read_dataset("folders", root)
    assert len(str(refused.value)) < 500


def test_other_data_sets_have_their_own_split(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("ucf101", "--val_fraction")):
        read_dataset("ucf101", tmp_path, val_fraction=0.5)


def test_the_command_imports_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, out = touch(tmp_path / "mine", CLASSES), tmp_path / "out"
    words = ["dataset", "import", "folders", str(root), "--out", str(out)]
    assert main(words) == 2 and does_name(capsys.readouterr().err, "--val_fraction", "P0, P1, P2, P3, P4")
    assert main([*words, "--val_fraction", "0.2", "--group", r"(P\d)_", "--seed", "3"]) == 0
    found = read_import(out)
    assert len(found.splits.labelled) + len(found.splits.val) == 40 and not found.splits.shared_videos
