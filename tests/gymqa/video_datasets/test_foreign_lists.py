"""Lists as others write them: read as they are meant, or refused in one sentence; never read as something else."""

import json
from pathlib import Path

import pytest

from gymqa.cli.arguments import build_parser
from gymqa.cli.commands.data.finegym import videos as finegym_videos
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Release, read_element_list
from gymqa.io.files import read_json
from gymqa.questions.released_json import _entries
from gymqa.video_datasets.base import Source
from gymqa.video_datasets.folders import read_class_folders
from gymqa.video_datasets.registry import read_dataset
from tests.helpers.gymsim_taxonomy import GYMSIM
from tests.helpers.naming import naming

BOM = "\ufeff"
CLIP = "0LtLS9wROrk_E_002407_002435_A_0003_0005"


def _list(root: Path, train: str, val: str = "v.mp4 0\n", classes: str | None = None) -> Path:
    (root / "train.txt").write_text(train)
    (root / "val.txt").write_text(val)
    if classes is not None:
        (root / "classes.txt").write_text(classes)
    return root


def _paths(root: Path, videos: Path | None = None) -> list[str]:
    return list(read_dataset("list", root, videos)[0].paths.values())


def test_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(BOM + json.dumps({"1": {"a": 1}}), encoding="utf-8")
    assert read_json(path) == _entries(path) == {"1": {"a": 1}}


@pytest.mark.parametrize("classes", [None, "jump\nturn\nsalto\n"])
def test_labels_from_one_are_refused(classes: str | None, tmp_path: Path) -> None:
    _list(tmp_path, "a.mp4 1\nb.mp4 2\n", "c.mp4 1\n", classes)
    with pytest.raises(GymQAError, match=naming("train.txt", "label 0")):
        read_dataset("list", tmp_path)


def test_a_header_of_kinetics_may_be_quoted_and_its_clips_mkv(tmp_path: Path) -> None:
    header = '"label","youtube_id","time_start","time_end","split"\n'
    (tmp_path / "train.csv").write_text(header + '"a, b","-3B32lodo2M","59","69","train"\n')
    (tmp_path / "val.csv").write_text(header + '"a, b","0000000000A","0","10","val"\n')
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "-3B32lodo2M_000059_000069.mkv").touch()
    dataset, _ = read_dataset("kinetics400", tmp_path)
    assert dataset.classes == ("a, b",)
    assert list(dataset.paths.values()) == ["train/-3B32lodo2M_000059_000069.mkv", "val/0000000000A_000000_000010.mp4"]


def test_two_files_that_would_be_one_clip_are_both_named(tmp_path: Path) -> None:
    _list(tmp_path, "a.mp4 0\na.avi 0\n")
    with pytest.raises(GymQAError, match=naming("train.txt:2", "a.avi", "a.mp4", "rename")):
        read_dataset("list", tmp_path)
    for name in ("up", "down"):
        (tmp_path / name).mkdir()
        for file in ("bo_1.mp4", "bo_1.avi", "cy_1.mp4"):
            (tmp_path / name / file).touch()
    with pytest.raises(GymQAError, match=naming("bo_1.avi", "bo_1.mp4", "rename")):
        read_class_folders(Source(tmp_path, tmp_path, "cy"))


def test_backslashes_are_named_as_such(tmp_path: Path) -> None:
    _list(tmp_path, "a\\b.mp4 0\n")
    with pytest.raises(GymQAError, match=naming("train.txt:1", "backslashes", "/")):
        read_dataset("list", tmp_path)


def test_an_absolute_path_inside_the_folder_of_videos_is_taken(tmp_path: Path) -> None:
    videos, link = tmp_path / "videos", tmp_path / "link"
    videos.mkdir()
    link.symlink_to(videos)
    _list(tmp_path, f"{videos}/x/a.mp4 0\n{link}/b.mp4 0\n")
    assert _paths(tmp_path, link) == ["x/a.mp4", "b.mp4", "v.mp4"]
    _list(tmp_path, f"{videos}/../a.mp4 0\n")
    with pytest.raises(GymQAError, match=naming("train.txt:1")):
        _paths(tmp_path)


def test_a_number_of_frames_between_path_and_label_is_no_part_of_the_path(tmp_path: Path) -> None:
    _list(tmp_path, "a/x y 120 0\nb 98 1\n", "c 7 1\n")
    assert _paths(tmp_path) == ["a/x y", "b", "c"]
    (tmp_path / "b 98").mkdir()
    assert _paths(tmp_path) == ["a/x y 120", "b 98", "c"]
    _list(tmp_path, "a/x 120 0\nb.mp4 1\n")
    assert _paths(tmp_path)[:2] == ["a/x 120", "b.mp4"]


def test_clips_of_finegym_may_be_mkv(tmp_path: Path) -> None:
    release = Release(tmp_path, GYMSIM, GYMSIM)
    assert release.clip_path(CLIP).name == f"{CLIP}.mp4"
    (tmp_path / "subactions").mkdir()
    (tmp_path / "subactions" / f"{CLIP}.mkv").touch()
    assert release.clip_path(CLIP).name == f"{CLIP}.mkv"
    (tmp_path / "subactions" / f"{CLIP}.mp4").touch()
    assert release.clip_path(CLIP).name == f"{CLIP}.mp4"
    (tmp_path / "list.txt").write_text(f"{CLIP}.mkv 3\n")
    assert [(clip.id, clip.label) for clip in read_element_list(tmp_path / "list.txt")] == [(CLIP, 3)]


def test_ids_may_begin_with_a_dash(tmp_path: Path) -> None:
    parser = build_parser(finegym_videos, "gymqa finegym videos")
    found = parser.parse_args([str(tmp_path), "--ids", "-abcdefghij", "0LtLS9wROrk", "-3B32lodo2M", "--check"])
    assert found.ids == ["-abcdefghij", "0LtLS9wROrk", "-3B32lodo2M"] and found.check
    with pytest.raises(Exception, match="-check"):
        parser.parse_args([str(tmp_path), "-check"])
