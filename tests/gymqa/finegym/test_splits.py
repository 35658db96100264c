"""Splits: stratified, seeded, disjoint, and no label readable where none may be."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import make_splits, read_splits
from tests.helpers.naming import naming


def clips(video: str, sizes: list[int]) -> list[Clip]:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    return [Clip(f"{video}_E_{i:06}_000001_A_0001_0002", video, label) for i, label in enumerate(labels)]


sizes = st.lists(st.integers(1, 30), min_size=1, max_size=6)
fractions = st.floats(0.01, 1.0)


@given(sizes, fractions, st.integers(0, 1000))
def test_each_class_gives_its_share_and_at_least_one(sizes: list[int], fraction: float, seed: int) -> None:
    train = clips("a", sizes)
    splits = make_splits(train, clips("b", [1]), fraction, seed)
    counts = Counter(clip.label for clip in splits.labelled)
    assert counts == {label: max(1, round(size * fraction)) for label, size in enumerate(sizes)}
    assert {clip.id for clip in splits.labelled} | {clip.id for clip in splits.unlabelled} == {
        clip.id for clip in train
    }
    assert len(splits.labelled) + len(splits.unlabelled) == len(train)


@pytest.mark.slow
@given(sizes, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(sizes: list[int], random: Random) -> None:
    train = clips("a", sizes)
    shuffled = list(train)
    random.shuffle(shuffled)
    val = clips("b", [1])
    assert make_splits(train, val) == make_splits(shuffled, val)


def test_unlabelled_clips_lose_their_label_and_the_seed_chooses() -> None:
    train, val = clips("a", [20, 20]), clips("b", [5, 5])
    splits = make_splits(train, val, 0.25, seed=1)
    assert {clip.label for clip in splits.unlabelled} == {None}
    assert splits.val == val
    assert splits == make_splits(train, val, 0.25, seed=1)
    assert splits.labelled != make_splits(train, val, 0.25, seed=2).labelled


def test_the_unlabelled_list_does_not_give_labels_away_by_its_order() -> None:
    train = clips("a", [50, 50])
    label = {clip.id: clip.label for clip in train}
    order = [label[clip.id] for clip in make_splits(train, clips("b", [1])).unlabelled]
    assert 20 < sum(first != second for first, second in pairwise(order)) < 70


def test_splits_read_back_and_the_unlabelled_file_holds_ids_only(tmp_path: Path) -> None:
    splits = make_splits(clips("a", [10, 10]), clips("b", [2, 2]))
    splits.write(tmp_path)
    assert read_splits(tmp_path, 2) == splits
    assert all(" " not in line for line in (tmp_path / "unlabelled.txt").read_text().splitlines())


def test_a_write_that_is_stopped_leaves_no_mixture_of_two_splits(tmp_path: Path) -> None:
    make_splits(clips("a", [10]), clips("b", [2])).write(tmp_path)
    (tmp_path / "val.txt").unlink()
    (tmp_path / "val.txt").mkdir()  # so that the write stops there
    with pytest.raises(GymQAError, match=naming("val.txt")):
        make_splits(clips("c", [10]), clips("b", [2])).write(tmp_path)
    (tmp_path / "val.txt").rmdir()
    with pytest.raises(GymQAError, match=naming("labelled.txt")):
        read_splits(tmp_path)


def test_everything_labelled_reads_back_too(tmp_path: Path) -> None:
    splits = make_splits(clips("a", [3]), clips("b", [1]), 1.0)
    splits.write(tmp_path)
    assert read_splits(tmp_path) == splits


def test_a_video_on_both_sides_is_recorded(tmp_path: Path) -> None:
    train = [*clips("a", [4]), *clips("shared", [4])]
    val = [Clip("shared_E_999999_999999_A_0001_0002", "shared", 0), *clips("b", [1])]
    splits = make_splits(train, val)
    splits.write(tmp_path)
    assert splits.shared_videos == ["shared"]
    assert '"shared"' in (tmp_path / "splits.json").read_text()


def test_labels_in_the_unlabelled_file_are_refused(tmp_path: Path) -> None:
    make_splits(clips("a", [10]), clips("b", [1])).write(tmp_path)
    path = tmp_path / "unlabelled.txt"
    leaked = path.read_text().split()[0]
    path.write_text(path.read_text().replace("\n", " 0\n", 1))
    with pytest.raises(GymQAError, match=naming("unlabelled.txt", leaked)):
        read_splits(tmp_path)


@pytest.mark.parametrize(("file", "said"), [("unlabelled", "twice"), ("val", "label")])
def test_files_of_another_hand_are_checked_too(tmp_path: Path, file: str, said: str) -> None:
    splits = make_splits(clips("a", [10]), clips("b", [1]))
    splits.write(tmp_path)
    clip = splits.labelled[0].id.replace("a_", "c_" if file == "val" else "a_")
    (tmp_path / f"{file}.txt").write_text(clip)
    with pytest.raises(GymQAError, match=naming(clip, said)):
        read_splits(tmp_path)


def test_a_clip_on_both_sides_is_refused() -> None:
    with pytest.raises(GymQAError, match="twice"):
        make_splits(clips("a", [3]), clips("a", [1]))


def test_a_clip_without_label_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("x")):
        make_splits([Clip("x", "v", None)], clips("b", [1]))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.5, float("nan")])
def test_an_impossible_fraction_is_refused(fraction: float) -> None:
    with pytest.raises(GymQAError, match=naming(fraction)):
        make_splits(clips("a", [3]), clips("b", [1]), fraction)


def test_the_lists_of_a_seed_stay_those_of_earlier_versions() -> None:
    train = [Clip(f"a_E_{i:06}_000001_A_0001_0002", "a", i % 3) for i in range(12)]
    splits = make_splits(train, clips("b", [1]), 0.25, seed=1)
    assert [int(clip.id[4:10]) for clip in splits.labelled] == [6, 5, 1]
    assert [int(clip.id[4:10]) for clip in splits.unlabelled] == [3, 0, 4, 9, 7, 11, 8, 10, 2]
