"""`gymqa dataset import`: the lists it leaves take the same road as a release's, from cache to training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.finegym.splits import read_splits
from gymqa.frames.cache import FrameCache
from gymqa.frames.video import VideoError, decode, write_video
from gymqa.video_datasets.base import Source
from gymqa.video_datasets.folders import read_class_folders
from gymqa.video_datasets.imported import read_import
from gymqa.video_datasets.registry import DATASETS
from tests.helpers.naming import does_name, naming


def bar(up: bool, bright: int, n: int = 10) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Frames of a bar that goes down or up: [n, 32, 40, 3]."""
    frames = np.full((n, 32, 40, 3), 40, np.uint8)
    for t in range(n):
        row = 2 * (n - 1 - t if up else t)
        frames[t, row : row + 4] = bright
    return frames


def write_avi(path: Path, frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of three persons, in avi and in mp4."""
    root = tmp_path_factory.mktemp("weizmann")
    for number, person in enumerate(("ann", "bo", "cy")):
        for name in ("down", "up"):
            (root / name).mkdir(exist_ok=True)
            frames = bar(name == "up", 200 + 20 * number)
            if person == "cy":
                write_video(root / name / f"{person}_{name}.mp4", frames, 10)
            else:
                write_avi(root / name / f"{person}_{name}.avi", frames)
    return root


@pytest.mark.slow
def test_import_split_cache_and_train_take_one_road(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists, splits, frames = tmp_path / "lists", tmp_path / "splits", tmp_path / "frames"
    short = "--training.steps 2 --training.warm_up_steps 1 --training.labelled_batch 2 --training.unlabelled_batch 2"
    files = " ".join(str(splits / f"{name}.txt") for name in ("labelled", "unlabelled", "val"))
    for words in (
        f"dataset import folders {folders} --fold bo --out {lists}",
        f"split {lists} --labelled_fraction 0.5 --out {splits}",
        f"cache {lists} --lists {files} --out {frames} --size 16 --workers 1",
        f"train {splits} {frames} --out {tmp_path}/model --training.model.n_classes 2 {short}"
        " --training.model.image_size 16 --training.model.dim 16 --training.model.depth 1 --training.model.heads 2"
        " --training.initial none",
        f"predict {tmp_path}/model {frames} --clips {splits}/val.txt --out {tmp_path}/p.jsonl",
    ):
        assert cli.main(words.split()) == 0, f"{words}: {capsys.readouterr().err}"
    imported = read_import(lists)
    assert imported.classes == ("down", "up")
    assert {clip.video_id for clip in imported.splits.val} == {"bo"}
    cache = FrameCache(frames)
    assert set(cache.clip_ids) == set(imported.paths) and not cache.failures
    for clip in read_splits(splits).labelled:
        np.testing.assert_array_equal(cache.get(clip.id), decode(folders / imported.paths[clip.id], 16))
    predictions = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["clip_id"] for line in predictions] == [clip.id for clip in imported.splits.val]


def test_the_lists_alone_can_be_trained_on_as_all_labelled(folders: Path, tmp_path: Path) -> None:
    assert cli.main(["dataset", "import", "folders", str(folders), "--fold", "ann", "--out", str(tmp_path)]) == 0
    splits = read_splits(tmp_path, 2)
    assert (len(splits.labelled), len(splits.unlabelled), len(splits.val)) == (4, 0, 2)
    assert splits.shared_videos == []


def test_missing_videos_are_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.txt").write_text("a.mp4 0\n")
    (tmp_path / "val.txt").write_text("b.mp4 0\n")
    write_video(tmp_path / "b.mp4", bar(True, 200))
    assert cli.main(["dataset", "import", "list", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert f"1 of 2 videos are not in {tmp_path}: a.mp4 (all in dataset.json)" in capsys.readouterr().out
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["missing"] == ["a.mp4"]


def test_a_path_changed_to_leave_the_folder_is_refused(folders: Path, tmp_path: Path) -> None:
    assert cli.main(["dataset", "import", "folders", str(folders), "--fold", "ann", "--out", str(tmp_path)]) == 0
    videos = tmp_path / "videos.txt"
    videos.write_text(videos.read_text().replace(" up/", " ../up/", 1))
    with pytest.raises(GymQAError, match=r"videos\.txt:\d+: .*'\.\./up/"):
        read_import(tmp_path)


def test_a_clip_of_another_data_set_is_refused(folders: Path, tmp_path: Path) -> None:
    assert cli.main(["dataset", "import", "folders", str(folders), "--fold", "ann", "--out", str(tmp_path)]) == 0
    with pytest.raises(GymQAError, match=naming("videos.txt", "x@y")):
        read_import(tmp_path).clip_path("x@y")


def test_every_data_set_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "datasets"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(DATASETS)


def test_a_folder_of_frames_is_a_video(tmp_path: Path) -> None:
    frames = bar(False, 220) * np.array([0, 1, 1], np.uint8)  # no red
    for t, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"{t:05d}.png"), frame[..., ::-1])
    np.testing.assert_array_equal(decode(tmp_path), frames)
    assert decode(tmp_path, 16, 4).shape == (4, 16, 16, 3)


def write_images(folder: Path, values: Mapping[str, int]) -> None:
    """Write images of one value each."""
    folder.mkdir(exist_ok=True)
    for name, value in values.items():
        cv2.imwrite(str(folder / name), np.full((8, 8, 3), value, np.uint8))


def test_frames_of_a_folder_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_images(tmp_path, {f"img_{number}.png": number for number in range(1, 13)})
    (tmp_path / "._img_1.png").write_bytes(b"what macOS leaves beside a copied file")
    assert decode(tmp_path)[:, 0, 0, 0].tolist() == list(range(1, 13))
    assert decode(tmp_path, 4, 3)[:, 0, 0, 0].tolist() == [3, 7, 11]
    write_images(tmp_path / "every fifth", {f"{number}.jpg": number for number in (0, 5, 10)})
    assert len(decode(tmp_path / "every fifth")) == 3


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("1.png", "2.png", "4.png", "5.png"), ("2.png", "4.png")),
        (("1.png", "3.png"), ("1.png", "3.png")),
        (("1.png", "3.png", "4.png"), ("1.png", "3.png")),
        (("img_2.png", "img_02.png", "img_3.png"), ("img_2.png", "img_02.png")),
        (("img_1.png", "img_2.png", "flow_x_1.png", "flow_x_2.png"), ("img_1.png", "flow_x_1.png")),
        (("first.png", "second.png"), ("png",)),
    ],
)
def test_a_folder_whose_numbering_leaves_doubt_is_refused(
    names: Sequence[str], told: Sequence[str], tmp_path: Path
) -> None:
    write_images(tmp_path, dict.fromkeys(names, 0))
    with pytest.raises(VideoError, match=naming(tmp_path, *told)):
        decode(tmp_path)


def test_hidden_files_are_no_clips(tmp_path: Path) -> None:
    for folder in ("up", "down", ".AppleDouble"):
        write_images(tmp_path / folder, {})
        for name in ("ann_1.mp4", "bo_1.mp4", "._ann_1.mp4"):
            (tmp_path / folder / name).touch()
    dataset = read_class_folders(Source(tmp_path, tmp_path, "ann"))
    assert dataset.classes == ("down", "up")
    assert sorted(dataset.paths.values()) == [f"{c}/{p}_1.mp4" for c in ("down", "up") for p in ("ann", "bo")]


def test_a_folder_without_frames_or_with_a_broken_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=naming(tmp_path)):
        decode(tmp_path)
    (tmp_path / "00001.jpg").write_bytes(b"nothing")
    with pytest.raises(VideoError, match=naming("00001.jpg")):
        decode(tmp_path)


def test_lists_that_are_the_only_ones_are_never_overwritten(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = tmp_path / "lists"
    assert cli.main(["dataset", "import", "folders", str(folders), "--fold", "ann", "--out", str(lists)]) == 0
    (tmp_path / "train.txt").write_text("a.mp4 0\n")
    (tmp_path / "val.txt").write_text("b.mp4 0\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.txt")}
    assert cli.main(["split", str(lists), "--out", str(lists)]) == 2
    assert does_name(capsys.readouterr().err, lists, "--out")
    assert cli.main(["dataset", "import", "list", str(tmp_path), "--out", str(lists / "..")]) == 2
    assert does_name(capsys.readouterr().err, tmp_path, "--out")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.txt")} == before


def test_an_import_that_is_stopped_leaves_no_mixture_of_two(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dataset", "import", "folders", str(folders), "--out", str(tmp_path), "--fold"]
    assert cli.main([*words, "ann"]) == 0
    (tmp_path / "videos.txt").unlink()
    (tmp_path / "videos.txt").mkdir()  # so that the next import stops there
    assert cli.main([*words, "bo"]) == 2
    assert cli.main(["split", str(tmp_path), "--out", str(tmp_path / "s")]) == 2
    assert does_name(capsys.readouterr().err, tmp_path, "FineGym")


def test_an_imported_data_set_has_no_settings(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["dataset", "import", "folders", str(folders), "--fold", "ann", "--out", str(tmp_path)]) == 0
    assert cli.main(["split", str(tmp_path), "--setting", "gym99", "--out", str(tmp_path / "s")]) == 2
    assert does_name(capsys.readouterr().err, tmp_path, "--setting")
