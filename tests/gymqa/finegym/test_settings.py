"""Settings within a setting, whole videos, val from train and released lists: what each side then holds."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, open_release
from gymqa.finegym.settings import SUB_SETTINGS
from gymqa.finegym.splits import make_splits, read_splits, released_splits
from tests.helpers.naming import does_name, naming

held = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=60)
VAL = [Clip("v_E_000000_000001_A_0001_0002", "v", 0)]


def clips(pairs: list[tuple[int, int]]) -> list[Clip]:
    """Clips of the given (video, label) pairs."""
    return [
        Clip(f"v{video}_E_{place:06}_000001_A_0001_0002", f"v{video}", label)
        for place, (video, label) in enumerate(pairs)
    ]


@given(held, st.sampled_from([0.05, 0.1, 0.2, 0.5]), st.integers(0, 9))
def test_by_video_no_labelled_clip_shares_its_video_and_every_class_is_labelled(
    pairs: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    train = clips(pairs)
    splits = make_splits(train, VAL, fraction, seed, by_video=True)
    labelled = {clip.video_id for clip in splits.labelled}
    assert not labelled & {clip.video_id for clip in splits.unlabelled}
    assert {clip.label for clip in splits.labelled} == {clip.label for clip in train}
    assert len(splits.labelled) + len(splits.unlabelled) == len(train)


@given(held, st.sampled_from([0.1, 0.3]), st.booleans(), st.integers(0, 9))
def test_val_from_train_is_a_share_that_leaves_every_class_something(
    pairs: list[tuple[int, int]], share: float, by_video: bool, seed: int
) -> None:
    train = clips(pairs)
    try:
        splits = make_splits(train, VAL, 0.5, seed, by_video, share)
    except GymQAError as error:
        assert does_name(str(error), f"{share:g}")
        return
    assert splits.test == VAL
    assert {clip.label for clip in splits.labelled} == {clip.label for clip in train}
    sides = [*splits.labelled, *splits.unlabelled, *splits.val]
    assert sorted(clip.id for clip in sides) == sorted(clip.id for clip in train)
    if by_video:
        assert not splits.shared_videos
    else:
        sizes = Counter(clip.label for clip in train)
        taken = Counter(clip.label for clip in splits.val)
        assert all(taken[label] == min(round(size * share), size - 1) for label, size in sizes.items())


def test_test_clips_read_back_and_do_not_outlive_their_splits(tmp_path: Path) -> None:
    train = clips([(0, 0)] * 10 + [(1, 1)] * 10)
    splits = make_splits(train, VAL, 0.2, val_from_train=0.2)
    splits.write(tmp_path)
    assert read_splits(tmp_path, 2) == splits
    make_splits(train, VAL).write(tmp_path)
    assert read_splits(tmp_path).test == []


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_an_impossible_share_of_val_is_refused(share: float) -> None:
    with pytest.raises(GymQAError, match=naming(share)):
        make_splits(clips([(0, 0)] * 4), VAL, val_from_train=share)


def test_leaks_say_how_many_clips_share_a_video() -> None:
    train, val = clips([(0, 0), (0, 1), (1, 0)]), [Clip("v0_E_999999_999999_A_0001_0002", "v0", 0)]
    (leak,) = make_splits(train, val).leaks
    assert (leak.between, leak.videos, leak.clips) == (("train", "val"), ["v0"], (2, 1))
    assert leak.sentence() == "train and val share 1 video (2 clips of train, 1 of val)"
    assert make_splits(train, VAL).leaks[0].sentence() == "train and val share no video"


def test_released_lists_keep_their_labelled_clips_and_hide_the_others() -> None:
    labelled, unlabelled = clips([(0, 0), (1, 1)]), clips([(2, 0)] * 10 + [(3, 1)] * 10)[2:]
    splits = released_splits(labelled, unlabelled, VAL, val_from_train=0.25)
    assert splits.labelled == labelled and splits.test == VAL
    assert {clip.label for clip in splits.unlabelled} == {None}
    assert Counter(clip.label for clip in splits.val) == {0: 2, 1: 2}
    assert released_splits(labelled, unlabelled, VAL).val == VAL


def test_an_inner_setting_of_a_rendered_release_makes_questions_too(
    gymsim_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lists = tmp_path / "splits"
    assert cli.main(["split", str(gymsim_root), "--setting", "FX", "--out", str(lists)]) == 0
    taxonomy = open_release(gymsim_root, "fx").taxonomy
    assert {element.event for element in taxonomy.elements} == {"FX"}
    assert {clip.label for clip in read_splits(lists, len(taxonomy)).labelled} == set(range(len(taxonomy)))
    names = (lists / "classes.txt").read_text().splitlines()
    assert names == [element.display_name for element in taxonomy.elements]
    words = ["questions", "build", str(lists / "val.txt"), "--finegym", str(gymsim_root), "--setting", "fx"]
    assert cli.main([*words, "--out", str(tmp_path / "q.jsonl")]) == 0
    first = json.loads((tmp_path / "q.jsonl").read_text().splitlines()[0])
    assert set(first["choices"]) <= set(names)


def test_gym_new_of_a_rendered_release_pairs_neighbouring_labels(gymsim_root: Path) -> None:
    taxonomy = open_release(gymsim_root, "gym-new").taxonomy
    for element in taxonomy.elements[::2]:
        assert taxonomy.twin(element.label) == taxonomy.elements[element.label + 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "setting", "classes", "counts"),
    [
        ("all99_5", "gym99", 99, (1316, 25004, 8521)),
        pytest.param(*("all99_10", "gym99", 99, (2632, 23688, 8521)), marks=pytest.mark.exhaustive),
        pytest.param(*("all288_5", "gym288", 288, (1466, 27868, 9646)), marks=pytest.mark.exhaustive),
        ("VT_10", "vt", 6, (108, 972, 446)),
        pytest.param(*("FX_10", "fx", 35, (540, 4868, 2226)), marks=pytest.mark.exhaustive),
        pytest.param(*("UB_10", "ub", 25, (959, 8635, 2814)), marks=pytest.mark.exhaustive),
        pytest.param(*("FX_S1_10", "fx-s1", 11, (189, 1703, 777)), marks=pytest.mark.exhaustive),
        pytest.param(*("UB_S1_10", "ub-s1", 15, (496, 4468, 1471)), marks=pytest.mark.exhaustive),
        ("list_finegym_new_5", "gym-new", 40, (325, 6183, 1998)),
        pytest.param(*("list_finegym_new_10", "gym-new", 40, (651, 5857, 1998)), marks=pytest.mark.exhaustive),
    ],
)
def test_each_released_list_has_the_labels_of_our_setting(
    shared: Path, tmp_path: Path, folder: str, setting: str, classes: int, counts: tuple[int, int, int]
) -> None:
    released = shared / "gymqa_release" / "lists" / folder
    words = ["split", str(shared / "finegym"), "--setting", setting, "--released", str(released)]
    assert cli.main([*words, "--out", str(tmp_path)]) == 0
    splits = read_splits(tmp_path, classes)
    assert (len(splits.labelled), len(splits.unlabelled), len(splits.val)) == counts
    assert len(open_release(shared / "finegym", setting).taxonomy) == classes
    own = ["split", str(shared / "finegym"), "--setting", setting, "--out", str(tmp_path / "own")]
    assert cli.main(own) == 0
    found = read_splits(tmp_path / "own", classes)
    assert len(found.labelled) + len(found.unlabelled) == counts[0] + counts[1]
    assert {clip.id: clip.label for clip in found.val} == {clip.id: clip.label for clip in splits.val}


@pytest.mark.slow
def test_released_lists_of_another_setting_are_refused(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    released = shared / "gymqa_release" / "lists" / "FX_10"
    words = ["split", str(shared / "finegym"), "--setting", "gym99", "--released", str(released)]
    assert cli.main([*words, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert does_name(said, "train.csv", "EKb2MMJSoeI_E_001694_001791_A_0033_0034", 17, 23)


@pytest.mark.slow
def test_gym99_shares_forty_videos_and_says_so(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["split", str(shared / "finegym"), "--setting", "gym99", "--out", str(tmp_path)]
    assert cli.main(words) == 0
    assert "train and val share 40 videos (5560 clips of train, 3417 of val)" in capsys.readouterr().out
    assert cli.main([*words, "--val_from_train", "0.1", "--by_video", "--json"]) == 0
    leaks = {tuple(leak["between"]): leak for leak in json.loads(capsys.readouterr().out)["leaks"]}
    assert leaks["train", "val"]["videos"] == []
    assert len(leaks["train", "test"]["videos"]) + len(leaks["val", "test"]["videos"]) == 40


def test_every_inner_setting_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "settings"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SUB_SETTINGS)
