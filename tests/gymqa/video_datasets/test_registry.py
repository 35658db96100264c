"""Other data sets: their official files give clips, classes and sides; wrong lines are named, paths stay inside."""

import json
import pickle
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import video_of
from gymqa.finegym.clip_ids import inside_path, make_clip_id
from gymqa.video_datasets.base import VideoDataset
from gymqa.video_datasets.registry import DATASETS, read_dataset
from tests.helpers.naming import naming


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


UCF101 = {
    "ucfTrainTestlist/classInd.txt": "1 ApplyEyeMakeup\n2 Archery\n",
    "ucfTrainTestlist/trainlist01.txt": "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\r\n"
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi 1\r\nArchery/v_Archery_g09_c01.avi 2\r\n",
    "ucfTrainTestlist/testlist01.txt": "Archery/v_Archery_g01_c01.avi\n",
    "ucfTrainTestlist/trainlist02.txt": "Archery/v_Archery_g01_c01.avi 2\n",
    "ucfTrainTestlist/testlist02.txt": "Archery/v_Archery_g09_c01.avi\n",
}
HMDB51 = {
    "testTrainMulti_7030_splits/brush_hair_test_split1.txt": "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \n"
    "April_09_brush_hair_u_nm_np1_ba_goo_1.avi 2 \nNot_used_brush_hair_u_nm_np1_ba_goo_1.avi 0 \n",
    "testTrainMulti_7030_splits/clap_test_split1.txt": "#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi 1 \n",
}
SSV2 = {
    "labels.json": json.dumps({"Holding something next to something": "1", "Approaching something": "0"}),
    "train.json": json.dumps(
        [
            {
                "id": "78687",
                "label": "holding potato next to bottle",
                "template": "Holding [something] next to [something]",
            }
        ]
    ),
    "validation.json": json.dumps([{"id": "74225", "template": "Approaching [something]"}]),
}
HEADER = "label,youtube_id,time_start,time_end,split"
KINETICS = {
    "train.csv": 'label,youtube_id,time_start,time_end,split,is_cc\n"air drumming",_dbcJuKJQNs,40,50,train,0\n'
    "abseiling,-3B32lodo2M,59,69,train,0\n",
    "val.csv": "label,youtube_id,time_start,time_end,split,is_cc\nabseiling,0000000000A,0,10,val,0\n",
}
DIVING48 = {
    "Diving48_vocab.json": json.dumps([["Back", "15som", "05Twis", "FREE"], ["Back", "15som", "15Twis", "FREE"]]),
    "Diving48_V2_train.json": json.dumps(
        [{"vid_name": "-mmq0PT-u8k_00155", "label": 0, "start_frame": 0, "end_frame": 48}]
    ),
    "Diving48_V2_test.json": json.dumps([{"vid_name": "-mmq0PT-u8k_00156", "label": 1}]),
}
LIST = {"train.txt": "a/my video.mp4 0\nb.mp4 1\n", "val.txt": "c.mp4 1\n", "classes.txt": "jump\nturn\n"}


def test_ucf101_clips_of_a_group_share_a_video(tmp_path: Path) -> None:
    dataset, videos = read_dataset("ucf101", write(tmp_path, UCF101))
    assert dataset.classes == ("ApplyEyeMakeup", "Archery")
    assert [(clip.video_id, clip.label) for clip in dataset.train] == [
        ("v_ApplyEyeMakeup_g08", 0), ("v_ApplyEyeMakeup_g08", 0), ("v_Archery_g09", 1),
    ]  # fmt: skip
    assert [dataset.paths[clip.id] for clip in dataset.val] == ["Archery/v_Archery_g01_c01.avi"]
    assert videos == tmp_path
    other, _ = read_dataset("ucf101", tmp_path, fold="2")
    assert [dataset.paths[clip.id] for clip in other.train] == ["Archery/v_Archery_g01_c01.avi"]


def test_hmdb51_leaves_out_what_a_split_does_not_use_and_groups_by_film(tmp_path: Path) -> None:
    dataset, _ = read_dataset("hmdb51", write(tmp_path, HMDB51))
    assert dataset.classes == ("brush_hair", "clap")
    assert [(clip.video_id, clip.label) for clip in dataset.train] == [("April_09", 0), ("%2320_Rhythm", 1)]
    assert [dataset.paths[clip.id] for clip in dataset.val] == ["brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_1.avi"]


@pytest.mark.parametrize("prefix", ["", "something-something-v2-", "labels/"])
def test_something_something_finds_the_class_by_the_template(tmp_path: Path, prefix: str) -> None:
    files = {f"{prefix}{name}": text for name, text in SSV2.items()}
    dataset, _ = read_dataset("ssv2", write(tmp_path, files))
    assert dataset.classes == ("Approaching something", "Holding something next to something")
    assert [(clip.id, clip.label) for clip in dataset.train] == [("78687@78687", 1)]
    assert list(dataset.paths.values()) == ["78687.webm", "74225.webm"]


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        ("train/{file}", "train/_dbcJuKJQNs_000040_000050.mp4"),
        ("train/air drumming/{file}", "train/air drumming/_dbcJuKJQNs_000040_000050.mp4"),
        ("air drumming/{file}", "air drumming/_dbcJuKJQNs_000040_000050.mp4"),
        ("{file}", "_dbcJuKJQNs_000040_000050.mp4"),
    ],
)
def test_kinetics_videos_are_found_as_downloaders_lay_them_out(tmp_path: Path, layout: str, path: str) -> None:
    write(tmp_path, {**KINETICS, layout.format(file="_dbcJuKJQNs_000040_000050.mp4"): ""})
    dataset, _ = read_dataset("kinetics400", tmp_path)
    assert dataset.classes == ("abseiling", "air drumming")
    assert dataset.paths[dataset.train[0].id] == path
    assert dataset.train[0].video_id == "_dbcJuKJQNs"


def test_diving48_groups_by_the_competitions_video(tmp_path: Path) -> None:
    (tmp_path / "rgb").mkdir()
    dataset, videos = read_dataset("diving48", write(tmp_path, DIVING48))
    assert dataset.classes == ("Back 15som 05Twis FREE", "Back 15som 15Twis FREE")
    assert dataset.train[0].video_id == dataset.val[0].video_id == "-mmq0PT-u8k"
    assert dataset.paths[dataset.train[0].id] == "-mmq0PT-u8k_00155.mp4"
    assert videos == tmp_path / "rgb"


def test_a_list_may_have_blanks_in_its_paths_and_no_class_names(tmp_path: Path) -> None:
    dataset, _ = read_dataset("list", write(tmp_path, LIST))
    assert dataset.classes == ("jump", "turn")
    assert list(dataset.paths.values()) == ["a/my video.mp4", "b.mp4", "c.mp4"]
    write(tmp_path, {"classes.txt": "jump\u2028and turn\nturn\n"})
    assert read_dataset("list", tmp_path)[0].classes == ("jump\u2028and turn", "turn")
    (tmp_path / "classes.txt").unlink()
    assert read_dataset("list", tmp_path)[0].classes == ("0", "1")


def test_class_folders_leave_one_person_out(tmp_path: Path) -> None:
    names = ["bend/ann_bend.avi", "bend/bo_bend.avi", "run/ann_run1.avi", "run/bo_run.avi", "notes/readme.txt"]
    dataset, _ = read_dataset("folders", write(tmp_path, dict.fromkeys(names, "")), fold="bo")
    assert dataset.classes == ("bend", "run")
    assert [dataset.paths[clip.id] for clip in dataset.val] == ["bend/bo_bend.avi", "run/bo_run.avi"]
    assert {clip.video_id for clip in dataset.train} == {"ann"}
    for fold in (None, "eve"):
        with pytest.raises(GymQAError, match=naming("ann, bo")):
            read_dataset("folders", tmp_path, fold=fold)


def test_weizmann_has_ten_actions_of_nine_people(shared: Path) -> None:
    dataset, _ = read_dataset("folders", shared / "real" / "weizmann90", fold="ido")
    assert (len(dataset.classes), len(dataset.train), len(dataset.val)) == (10, 80, 10)


@pytest.mark.slow
def test_finediving_has_its_52_dives_and_its_own_sides(shared: Path) -> None:
    dataset, _ = read_dataset("finediving", shared / "real" / "finediving_annotations")
    assert (len(dataset.classes), len(dataset.train), len(dataset.val)) == (52, 2251, 749)
    assert {"407c", "5253b"} < set(dataset.classes)
    dive = next(clip for clip in dataset.train if dataset.paths[clip.id] == "01/3")
    assert (dataset.classes[dive.label or 0], dive.video_id) == ("5253b", "01")


CODES = "FineDiving_fine-grained_annotation.pkl"


def finediving(codes: object, train: object, test: object) -> VideoDataset:
    files = {CODES: codes, "train_split.pkl": train, "test_split.pkl": test}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in files.items():
            (Path(folder) / name).write_bytes(pickle.dumps(value))
        return read_dataset("finediving", Path(folder))[0]


def billion() -> list[object]:
    """A list that is small in memory and endless in print."""
    value: list[object] = ["lol"]
    for _ in range(40):
        value = [value, value]
    return value


DIVES = {("a", 1): {"action_type": "107b"}, ("a", 2): {"action_type": "5253b"}}


@pytest.mark.parametrize(
    ("codes", "train", "named"),
    [
        (DIVES, [("a", 1), billion()], ("train_split.pkl", "entry 2")),
        (DIVES, [("a", 10**5000)], ("train_split.pkl", "entry 1")),
        (DIVES, ["x" * 10**6], ("train_split.pkl", "entry 1")),
        (DIVES, [("x" * 10**6, 1)], ("train_split.pkl", "entry 1")),
        (DIVES, [("../a", 1)], ("train_split.pkl", "entry 1")),
        (DIVES, [("b", 1)], ("train_split.pkl", ("b", 1))),
        (DIVES, {("a", 1)}, ("train_split.pkl", "list")),
        ({("a", -1): DIVES["a", 1]}, [], (CODES, "entry 1")),
        ({**DIVES, ("a", 3): {"action_type": 7}}, [], (CODES, "entry 3", "action_type")),
        ({**DIVES, ("a", 3): billion()}, [], (CODES, "entry 3", "action_type")),
        ({**DIVES, ("a", 1): {"action_type": "107b\n"}}, [("a", 1)], (repr("107b\n"),)),
        ([DIVES], [], (CODES, "dictionary")),
    ],
)  # fmt: skip
def test_a_wrong_dive_is_one_short_sentence(codes: object, train: object, named: tuple[object, ...]) -> None:
    assert len(finediving(DIVES, [("a", 1)], [("a", 2)]).val) == 1
    with pytest.raises(GymQAError, match=naming(*named)) as found:
        finediving(codes, train, [("a", 2)])
    assert len(str(found.value)) < 300


WRONG: list[tuple[str, dict[str, str], str, str, tuple[object, ...]]] = [
    ("ucf101", UCF101, "ucfTrainTestlist/classInd.txt", "1 A\n3 B\n", ("classInd.txt:2", "'3 B'", 2)),
    ("ucf101", UCF101, "ucfTrainTestlist/trainlist01.txt", "Nope/v.avi 1\n", ("trainlist01.txt:1", "'Nope/v.avi 1'")),
    ("ucf101", UCF101, "ucfTrainTestlist/trainlist01.txt", "\nArchery/v.avi 1\n", ("trainlist01.txt:2", "Archery", 2)),
    ("ucf101", UCF101, "ucfTrainTestlist/trainlist01.txt", "Archery/v.avi 2 2\n", ("trainlist01.txt:1", "v.avi 2 2")),
    ("hmdb51", HMDB51, "testTrainMulti_7030_splits/clap_test_split1.txt", "x.avi 3\n", ("clap_test_split1.txt:1",)),
    ("hmdb51", HMDB51, "testTrainMulti_7030_splits/clap_test_split1.txt", "../x.avi 1\n", ("clap_test_split1.txt:1",)),
    ("ssv2", SSV2, "train.json", '[{"id": "1", "template": "Eating"}]', ("train.json", "entry 1", "'Eating'")),
    ("ssv2", SSV2, "train.json", '[{"id": "../1", "template": ""}]', ("train.json", "entry 1", "'../1'")),
    ("ssv2", SSV2, "train.json", "{", ("train.json", "JSON")),
    ("ssv2", SSV2, "labels.json", '{"a": "0", "b": "2"}', ("labels.json", 2)),
    ("kinetics400", KINETICS, "train.csv", "a,b\n", ("train.csv:1", "'a,b'")),
    ("kinetics400", KINETICS, "val.csv", f"{HEADER}\na,b,0\n", ("val.csv:2", "'a,b,0'", 5)),
    ("kinetics400", KINETICS, "val.csv", f"{HEADER}\na,b,0,x,v\n", ("val.csv:2", "time_end", "'x'")),
    ("kinetics400", KINETICS, "val.csv", f"{HEADER}\nnew,b,0,1,v\n", ("val.csv:2", "train.csv", "'new'")),
    ("kinetics400", KINETICS, "train.csv", f"{HEADER}\n,b,0,1,t\n", ("train.csv:2", "',b,0,1,t'")),
    ("kinetics400", KINETICS, "train.csv", f"{HEADER}\nabseiling,,0,1,t\n", ("train.csv:2", "'abseiling,,0,1,t'")),
    ("kinetics400", KINETICS, "train.csv", f"{HEADER}\nabseiling,../b,0,1,t\n", ("train.csv:2", "path")),
    ("diving48", DIVING48, "Diving48_V2_test.json", '[{"vid_name": "a", "label": 2}]', ("entry 1", "label 2")),
    ("diving48", DIVING48, "Diving48_V2_test.json", '[{"vid_name": "../a", "label": 1}]', ("entry 1", "vid_name")),
    ("list", LIST, "train.txt", "a.mp4 0\nb.mp4\n", ("train.txt:2", "'b.mp4'")),
    ("list", LIST, "train.txt", "a.mp4 0\nb.mp4 two\n", ("train.txt:2", "'two'")),
    ("list", LIST, "train.txt", "a.mp4 0\nb.mp4 7\n", ("train.txt:2", "label 7", 0, 1)),
    ("list", LIST, "train.txt", "a.mp4 0\na.mp4 1\n", ("train.txt:2", "a.mp4")),
    ("list", LIST, "train.txt", "../a.mp4 0\n", ("train.txt:1", "'../a.mp4'")),
    ("list", LIST, "train.txt", "/etc/passwd 0\n", ("train.txt:1", "'/etc/passwd'")),
    ("list", LIST, "train.txt", "a/../../b.mp4 0\n", ("train.txt:1", "'a/../../b.mp4'")),
    ("list", LIST, "train.txt", "a\\..\\b.mp4 0\n", ("train.txt:1", repr("a\\..\\b.mp4"))),
    ("list", LIST, "train.txt", "a\x01b.mp4 0\n", ("train.txt:1", repr("a\x01b.mp4"))),
    ("list", LIST, "val.txt", "\n", ("val.txt",)),
    ("list", LIST, "val.txt", "a.mp4 999999999\n", ("val.txt:1", 999999999, 100000)),
    ("list", LIST, "val.txt", f"{'a' * 256}.mp4 0\n", ("val.txt:1", "a" * 60)),
    ("list", LIST, "val.txt", f"{'a/' * 1024}b.mp4 0\n", ("val.txt:1", "a/" * 30)),
    ("list", LIST, "classes.txt", "jump\njump\n", ("'jump'", "class 1")),
    ("diving48", DIVING48, "Diving48_vocab.json", '[["a\\nb"], ["c"]]', ("class 0",)),
    ("diving48", DIVING48, "Diving48_vocab.json", '[["a"], []]', ("''", "class 1")),
    ("diving48", DIVING48, "Diving48_V2_test.json", "[" * 100_000, ("Diving48_V2_test.json", "JSON")),
    ("diving48", DIVING48, "Diving48_V2_test.json", "9" * 5000, ("Diving48_V2_test.json", "JSON")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "files", "file", "text", "named"), WRONG)
def test_a_wrong_line_is_named_with_its_place(
    tmp_path: Path, name: str, files: dict[str, str], file: str, text: str, named: tuple[object, ...]
) -> None:
    write(tmp_path, {**files, file: text})
    with pytest.raises(GymQAError, match=naming(*named)):
        read_dataset(name, tmp_path)


@pytest.mark.parametrize("name", DATASETS)
def test_a_folder_without_the_official_files_says_what_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path)):
        read_dataset(name, tmp_path)


def test_unknown_names_folders_and_folds_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {**UCF101, **LIST})
    for call, named in (
        (lambda: read_dataset("ufc101", tmp_path), ("'ufc101'", "ucf101")),
        (lambda: read_dataset("list", tmp_path / "x"), (tmp_path / "x",)),
        (lambda: read_dataset("list", tmp_path, fold="1"), ("list", "--fold")),
        (lambda: read_dataset("ucf101", tmp_path, fold="4"), ("'4'", "1, 2, 3")),
    ):
        with pytest.raises(GymQAError, match=naming(*named)):
            call()


printable = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@given(printable, printable)
def test_any_name_makes_a_clip_id_that_is_no_path_and_gives_its_video_back(name: str, video: str) -> None:
    clip_id = make_clip_id(name, video, "here")
    assert not set(clip_id) & set("/\\. \n")
    assert video_of(clip_id) == clip_id.split("@")[1]
    assert make_clip_id(name, video + "x", "here") != clip_id != make_clip_id(name + "x", video, "here")


@given(st.lists(st.sampled_from(["a", "b c", "..", ".", "", "é", "x.mp4"]), max_size=6))
def test_a_path_that_is_accepted_stays_inside(parts: list[str]) -> None:
    text = "/".join(parts)
    try:
        path = inside_path(text, "here")
    except GymQAError:
        assert ".." in parts or text.startswith("/") or not set(parts) - {"", "."}
        return
    root = Path("/videos/of/a/set")
    assert (root / path).resolve().is_relative_to(root)


def reads_or_refuses(name: str, files: dict[str, str]) -> VideoDataset | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return read_dataset(name, write(Path(folder), files))[0]
        except GymQAError as error:
            assert "\n" not in str(error)
            return None


lines = st.lists(st.text(st.sampled_from("ab/. 012_g\t,\"'#%@é"), max_size=20), max_size=5).map("\n".join)
FUZZED = [
    ("ucf101", UCF101, "ucfTrainTestlist/classInd.txt"),
    ("ucf101", UCF101, "ucfTrainTestlist/trainlist01.txt"),
    ("hmdb51", HMDB51, "testTrainMulti_7030_splits/clap_test_split1.txt"),
    ("list", LIST, "train.txt"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "files", "file"), FUZZED)
def test_any_text_is_read_or_refused_in_one_sentence(name: str, files: dict[str, str], file: str) -> None:
    @given(lines)
    def check(text: str) -> None:
        reads_or_refuses(name, {**files, file: text})

    check()


@given(lines)
def test_any_csv_is_read_or_refused_in_one_sentence(text: str) -> None:
    reads_or_refuses("kinetics400", {**KINETICS, "val.csv": KINETICS["val.csv"] + text})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "label", "vid_name"]), inner),
    max_leaves=6,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "files", "file"),
    [("ssv2", SSV2, "train.json"), ("ssv2", SSV2, "labels.json"), ("diving48", DIVING48, "Diving48_V2_train.json"),
     ("diving48", DIVING48, "Diving48_vocab.json")],
)  # fmt: skip
def test_any_json_is_read_or_refused_in_one_sentence(name: str, files: dict[str, str], file: str) -> None:
    @given(values)
    def check(value: object) -> None:
        reads_or_refuses(name, {**files, file: json.dumps(value)})

    check()


rows = st.dictionaries(st.text(st.sampled_from("abcé _-"), min_size=1).map(str.strip).filter(bool), st.integers(0, 4))


@pytest.mark.slow
@given(rows.filter(len), rows.filter(len))
def test_a_list_reads_back_what_was_written(train: dict[str, int], val: dict[str, int]) -> None:
    def text(prefix: str, rows: dict[str, int]) -> str:
        return "".join(f"{prefix}/{name}.mp4 {label}\n" for name, label in rows.items())

    train = {**train, "z": 0}
    dataset = reads_or_refuses("list", {"train.txt": text("t", train), "val.txt": text("v", val)})
    assert dataset is not None
    assert [clip.label for clip in dataset.train] == list(train.values())
    assert [dataset.paths[clip.id] for clip in dataset.val] == [f"v/{name}.mp4" for name in val]
