"""FineGym's clip ids, element lists, annotation JSON and folder: read right, and wrong ones named."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip, ClipId, open_release, parse_clip_id, read_element_list, write_element_list
from tests.helpers.naming import naming
from tests.helpers.places import SHARED

FINEGYM = SHARED / "finegym"
needs_finegym = pytest.mark.skipif(not FINEGYM.is_dir(), reason="FineGym's files are not at ../shared/finegym")
CLIP = "0LtLS9wROrk_E_002407_002435_A_0003_0005"

video_ids = st.text(alphabet="abcXYZ019_-", min_size=1, max_size=11)
seconds = st.integers(0, 9999)


@given(video_ids, seconds, seconds, seconds, seconds)
def test_a_clip_id_comes_apart_into_what_made_it(video: str, a: int, b: int, c: int, d: int) -> None:
    assert parse_clip_id(f"{video}_E_{a:06}_{b:06}_A_{c:04}_{d:04}") == ClipId(video, a, b, c, d)


@given(st.text(max_size=60))
def test_anything_else_is_no_clip_id(text: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(text))):
        parse_clip_id(text)


@pytest.mark.parametrize(
    "bad", [f"../{CLIP}", f"a/{CLIP}", f"a\\{CLIP}", f"{CLIP}\n", f"{CLIP}\0", CLIP + "/..", CLIP.replace("3", "٣")]
)
def test_an_id_that_leads_out_of_the_folder_is_refused(bad: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(bad))):
        parse_clip_id(bad)


def test_the_three_forms_of_a_line_are_read(tmp_path: Path) -> None:
    other = CLIP.replace("0003", "0001")
    third = CLIP.replace("0003", "0002")
    (tmp_path / "list.txt").write_text(f"{CLIP} 7\n\n{other}.mp4 0\n{third}\n")
    video = "0LtLS9wROrk"
    assert read_element_list(tmp_path / "list.txt") == [
        Clip(CLIP, video, 7),
        Clip(other, video, 0),
        Clip(third, video, None),
    ]


@pytest.mark.slow
@given(st.dictionaries(seconds, st.none() | st.integers(0, 98), min_size=1))
def test_a_written_list_reads_back(labels: dict[int, int | None]) -> None:
    clips = [Clip(f"v_E_{second:06}_000009_A_0001_0002", "v", label) for second, label in labels.items()]
    with tempfile.TemporaryDirectory() as folder:
        write_element_list(Path(folder) / "list.txt", clips)
        assert read_element_list(Path(folder) / "list.txt", 99) == clips


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (f"{CLIP} seven", (f"'{CLIP} seven'",)),
        (f"{CLIP} -1", (f"'{CLIP} -1'",)),
        (f"{CLIP} 1 2", (f"'{CLIP} 1 2'",)),
        (f"{CLIP} 99", (99, 0, 98)),
        ("v_01.mp4 3", ("'v_01'",)),
        ("w_E_000001_000002_A_0001_0002 5", ("w_E_000001_000002_A_0001_0002",)),
    ],
)
def test_a_wrong_line_is_named_with_its_number(tmp_path: Path, line: str, named: tuple[object, ...]) -> None:
    (tmp_path / "list.txt").write_text(f"w_E_000001_000002_A_0001_0002 5\n{line}\n")
    with pytest.raises(GymQAError, match=naming("list.txt:2", *named)):
        read_element_list(tmp_path / "list.txt", 99)


def test_a_list_that_is_missing_empty_or_binary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    for name in ("absent", "empty", "binary"):
        with pytest.raises(GymQAError, match=naming(f"{name}.txt")):
            read_element_list(tmp_path / f"{name}.txt")


def release(root: Path, settings: tuple[str, ...]) -> Path:
    folder = root / "annotations"
    folder.mkdir()
    (folder / "set_categories.txt").write_text("set: 1; vault\n")
    for setting in settings:
        (folder / f"{setting}_categories.txt").write_text("Clabel: 0; set: 1; Glabel: 0; (VT) tsukahara tucked\n")
    return root


def test_a_release_with_one_setting_opens_by_itself(tmp_path: Path) -> None:
    opened = open_release(release(tmp_path, ("gymsim24", "gym530")))
    assert opened.taxonomy.setting == "gymsim24"
    assert opened.clip_path(CLIP) == tmp_path / "subactions" / f"{CLIP}.mp4"
    assert opened.annotations == tmp_path / "annotations"
    with pytest.raises(GymQAError, match=naming("'../secret'")):
        opened.clip_path("../secret")


def test_a_release_with_two_settings_asks_which(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("gym288", "gym99")):
        open_release(release(tmp_path, ("gym99", "gym288")))
    assert open_release(tmp_path, "gym99").taxonomy.setting == "gym99"


@pytest.mark.parametrize("setting", ["gym288", "../gym99", ""])
def test_a_setting_that_the_release_does_not_have_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(GymQAError, match=naming(f"'{setting}'", "gym530", "gym99")):
        open_release(release(tmp_path, ("gym99", "gym530")), setting)


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    for setting in (None, "gym99"):
        with pytest.raises(GymQAError, match=naming(tmp_path / "annotations")):
            open_release(tmp_path, setting)


def test_a_byte_order_mark_and_lines_of_any_system_do_no_harm(tmp_path: Path) -> None:
    other = CLIP.replace("0003", "0001")
    (tmp_path / "list.txt").write_bytes(f"\ufeff{CLIP}\t1\r\n{other} 2\r\nbad\x0bline 3".encode())
    with pytest.raises(GymQAError, match=naming("list.txt:3", "'bad'")):
        read_element_list(tmp_path / "list.txt")


words = st.sampled_from(
    [CLIP, f"{CLIP}.mp4", "CLIP@VIDEO", "1", "98", "99", "-1", " ", "\t", "\n", "\r\n", "\ufeff", "é", "/"]
)


@given(st.lists(words, max_size=12).map("".join) | st.text(max_size=60), st.none() | st.just(99))
def test_any_list_is_read_or_refused_with_its_place(
    tmp_path_factory: pytest.TempPathFactory, text: str, n_classes: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_list.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        clips = read_element_list(path, n_classes)
    except GymQAError as error:
        assert str(error).startswith(str(path))
        return
    assert len({clip.id for clip in clips}) == len(clips)
    assert all(clip.label is None or 0 <= clip.label < (n_classes or 10**9) for clip in clips)


@pytest.mark.slow
@needs_finegym
@pytest.mark.parametrize(
    ("name", "clips", "classes"),
    [
        ("gym99_train_element_v1.0", 20484, 99),
        ("gym99_train_element_v1.1", 26320, 99),
        ("gym99_val_element", 8521, 99),
        ("gym288_train_element_v1.0", 22671, 288),
        ("gym288_train_element_v1.1", 29334, 288),
        ("gym288_val_element", 9646, 288),
    ],
)
def test_finegyms_own_lists_are_read_whole(name: str, clips: int, classes: int) -> None:
    assert len(read_element_list(FINEGYM / f"{name}.txt", classes)) == clips


@needs_finegym
def test_annotation_files_may_lie_in_the_root_itself() -> None:
    assert open_release(FINEGYM, "gym99").annotations == FINEGYM
