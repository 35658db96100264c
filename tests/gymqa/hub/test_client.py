"""Question sets as data sets: written whole, read back through `datasets`, pushed to a Hub that answers as told."""

import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.finegym.decision_trees import Attribute
from gymqa.hub.client import check_repo, dataset_configs
from gymqa.hub.data_card import data_card, licence_of
from gymqa.hub.load import load_gym_qa
from gymqa.hub.question_dataset import (
    QuestionSplit,
    config_name,
    parse_config,
    sort_questions,
    split_of,
    write_dataset,
)
from gymqa.questions.files import load_questions, save_questions
from gymqa.questions.schema import Question, Released
from tests.helpers.gymsim_taxonomy import GYMSIM, clip
from tests.helpers.loopback_hub import HubSite, serve_hub
from tests.helpers.naming import does_name, naming
from tests.helpers.warm import run_apart

TEXT = "What gymnastics move is this athlete performing?"


def question(number: int, **changes: Any) -> Question:
    one, label = clip(number % 4, number, "gymsimV0000"), number % 4
    element = GYMSIM.elements[label]
    labels = (label, (label + 1) % 4)
    names = tuple(GYMSIM.elements[other].display_name for other in labels)
    made = Question(
        f"q{number}", one.id, one.video_id, TEXT, names, 0, "set", "set", labels, element.event, element.set_id, label
    )
    return replace(made, attributes=element.attributes, **changes)


SET = QuestionSplit("gymsim24", "set", "val", tuple(question(number) for number in range(3)))
TRAIN = replace(SET, split="train", questions=(question(7),))
ASKED = (question(4, released=Released("what", "finegym", 66)),)
RELEASED = QuestionSplit("gymsim24", "released", "val", ASKED)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set of two configurations; copies that `datasets` makes of it go into the test's own folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    splits = [SET, TRAIN, RELEASED]
    write_dataset(tmp_path / "ds", splits, data_card("me/gym-qa", splits, GYMSIM))
    return tmp_path / "ds"


def as_question(row: dict[str, Any]) -> Question:
    """The question that a row came from; an absent `released` comes back as None or as a struct of None."""
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
    released = values.pop("released")
    del values["video"]
    values["attributes"] = tuple(Attribute(**tree) for tree in row["attributes"])
    known = released is not None and released["answer_type"] is not None
    return Question(**values, released=Released(**released) if known else None)


@pytest.mark.parametrize("streaming", [False, True])
def test_every_field_comes_back_and_the_video_is_a_path(folder: Path, streaming: bool) -> None:
    from datasets import Video

    rows: Any = load_gym_qa(folder, "gymsim24", "val", "set", streaming)
    of_others = ("source", "task", "video")  # columns of imported questions alone, besides the video
    own = [field.name for field in fields(Question) if field.name not in of_others]
    assert list(rows.features) == [*own, "video"]
    assert rows.features["video"] == Video(decode=False)
    read = list(rows)
    assert [as_question(row) for row in read] == list(SET.questions)
    assert read[0]["video"] == {"bytes": None, "path": f"subactions/{SET.questions[0].clip_id}.mp4"}


def test_released_questions_are_a_tier_of_their_own_and_benchmarks_name_theirs(folder: Path) -> None:
    rows: Any = load_gym_qa(str(folder), "gymsim24", tier="released", streaming=True)
    assert [as_question(row) for row in rows] == list(RELEASED.questions)
    hard: Any = load_gym_qa(folder, "gymsim24", "train", "gym-qa-hard", streaming=True)
    assert [row["id"] for row in hard] == ["q7"]


def test_plain_load_dataset_reads_the_folder_too(folder: Path) -> None:
    from datasets import load_dataset

    rows = load_dataset(str(folder), "gymsim24-set", split="val", streaming=True)
    assert next(iter(rows))["video"] == f"subactions/{SET.questions[0].clip_id}.mp4"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("gymsim24", "val", "event"), ("gymsim24-event", "gymsim24-set", "gymsim24-released")),
        (("gym99", "val", "set"), ("gym99-set",)),
        (("gymsim24", "test", "set"), ("'test'", "val", "train")),
        (("gymsim24", "val", "easy"), ("'easy'",)),
    ],
)
def test_what_is_not_there_is_named(folder: Path, arguments: tuple[str, str, str], named: tuple[str, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        load_gym_qa(folder, *arguments)


def test_a_folder_that_is_none_and_a_card_that_lists_nothing_are_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming(tmp_path / "none")):
        dataset_configs(tmp_path / "none")
    with pytest.raises(GymQAError, match=naming(tmp_path, "README.md")):
        dataset_configs(tmp_path)
    (tmp_path / "README.md").write_text("---\nconfigs: 7\n---\n")
    with pytest.raises(GymQAError, match=naming(tmp_path, "card")):
        dataset_configs(tmp_path)


def test_the_card_is_what_the_hub_and_datasets_expect(folder: Path) -> None:
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard, DatasetCardData
    from huggingface_hub.repocard import metadata_load

    card = DatasetCard.load(folder / "README.md")
    assert isinstance(card.data, DatasetCardData)
    head = metadata_load(folder / "README.md")
    assert head is not None and head["license"] == "apache-2.0" and head["size_categories"] == "n<1K"
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    assert list(configs) == ["gymsim24-set", "gymsim24-released"]
    assert all((folder / file["path"]).is_file() for one in configs.values() for file in one["data_files"])
    assert "| gymsim24-set | val | 3 |" in card.text and "oracle_set" in card.text
    assert "gymsim24-set: 1 videos of val are in train too (1.000 of its questions)" in card.text


def test_only_gymsims_questions_are_free(folder: Path) -> None:
    assert licence_of([SET]) == "apache-2.0"
    foreign = replace(SET, questions=(*SET.questions, replace(question(1), video_id="0LtLS9wROrk")))
    assert licence_of([foreign]) == "cc-by-nc-4.0"
    card = data_card("me/gym-qa", [foreign], GYMSIM)
    assert "license: cc-by-nc-4.0" in card and "CC BY-NC 4.0" in card and "FineGym" in card


def test_a_folder_of_other_things_is_left_alone_and_a_failed_write_leaves_the_old_one(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    bad = replace(SET, questions=(replace(question(1), clip_id="../../x"),))
    with pytest.raises(GymQAError, match=naming("'../../x'")):
        write_dataset(folder, [bad], "card")
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["ds"]
    (folder / "notes.txt").touch()
    with pytest.raises(GymQAError, match=naming(folder)):
        write_dataset(folder, [SET], "card")
    assert (folder / "notes.txt").exists()


@given(st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True), st.sampled_from(["set", "minimal-pairs", "released"]))
def test_a_configurations_name_comes_apart_again(setting: str, tier: str) -> None:
    assert parse_config(config_name(setting, tier)) == (setting, tier)


@pytest.mark.parametrize("config", ["../x-set", "gym99", "-set", "gym99/x-set", "gym99-easy"])
def test_other_configurations_are_refused(config: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(config))):
        parse_config(config)


@pytest.mark.parametrize(
    ("name", "split"), [("val.jsonl", "val"), ("a/gym99-train.jsonl", "train"), ("x_test.j", "test")]
)
def test_a_files_name_says_its_split(name: str, split: str) -> None:
    assert split_of(Path(name), None) == split
    assert split_of(Path("q.jsonl"), split) == split
    with pytest.raises(GymQAError, match=naming("q.jsonl", "--split")):
        split_of(Path("q.jsonl"), None)


def test_an_id_that_stands_twice_in_a_split_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("gymsim24-set", "val", "q1", 2)):
        sort_questions({Path("a-val.jsonl"): [question(1)], Path("b-val.jsonl"): [question(1)]}, "gymsim24")


@pytest.mark.parametrize("repo", ["alone", "a/b/c", "../x", "me/", "me/a b", "me/a--b"])
def test_names_that_no_data_set_can_have_are_refused(repo: str) -> None:
    with pytest.raises(GymQAError, match=naming(repr(repo))):
        check_repo(repo)


def run(tmp_path: Path, words: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run gymqa in a process of its own, with no token but the one given."""
    return run_apart(tmp_path, "-m", "gymqa.cli.main", *words, **environment)


def push(tmp_path: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `gymqa hub push`."""
    return run(tmp_path, ["hub", "push", *words, "--repo", "me/gym-qa", "--out", str(tmp_path / "ds")], **environment)


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that it said beside its progress."""
    (said,) = [line for line in done.stderr.splitlines() if not line.lstrip().startswith("checking questions")]
    return said


@pytest.fixture(scope="module")
def asked(gymsim_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions on GymSim's two lists, built by the command line."""
    root = tmp_path_factory.mktemp("asked")
    for part in ("train", "val"):
        clips = gymsim_root / f"annotations/gymsim24_{part}_element.txt"
        words = ["questions", "build", str(clips), "--finegym", str(gymsim_root), "--benchmark", "gym-qa-hard"]
        assert cli.main([*words, "--out", str(root / f"gym-qa-hard/{part}.jsonl")]) == 0
    return root


@pytest.mark.slow
def test_a_dry_run_writes_a_folder_that_loads_and_needs_no_network(
    gymsim_root: Path, asked: Path, tmp_path: Path
) -> None:
    done = push(tmp_path, str(asked), "--finegym", str(gymsim_root), "--dry_run", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/ds: gymsim24-set (train, val)\nme/gym-qa: nothing uploaded\n"
    rows: Any = load_gym_qa(tmp_path / "ds", "gymsim24", "val", "set", streaming=True)
    assert [row["id"] for row in rows] == [one.id for one in load_questions(asked / "gym-qa-hard/val.jsonl")]


def test_questions_that_the_annotations_deny_are_not_written(
    gymsim_root: Path, asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, *_ = load_questions(asked / "gym-qa-hard/val.jsonl")
    turned = replace(one, answer=1, element=one.choice_labels[1])
    if one.answer == 1:
        turned = replace(one, answer=0, element=one.choice_labels[0])
    save_questions(tmp_path / "val.jsonl", [turned])
    words = ["hub", "push", str(tmp_path / "val.jsonl"), "--repo", "me/x", "--finegym", str(gymsim_root), "--dry_run"]
    assert cli.main([*words, "--out", str(tmp_path / "ds")]) == 2
    assert does_name(capsys.readouterr().err, one.clip_id) and not (tmp_path / "ds").exists()


@pytest.mark.slow
def test_without_a_token_or_a_hub_it_is_one_sentence(gymsim_root: Path, asked: Path, tmp_path: Path) -> None:
    words = (str(asked), "--finegym", str(gymsim_root))
    missing = push(tmp_path, *words)
    assert missing.returncode == 2
    assert does_name(sentence(missing), "me/gym-qa", "HF_TOKEN")
    gone = push(tmp_path, str(tmp_path / "ds"), HF_TOKEN="hf_secret", HF_ENDPOINT="http://127.0.0.1:1")
    assert gone.returncode == 2 and does_name(gone.stderr, "me/gym-qa") and gone.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("token", ["hf_secr\xe9t", "hf_secr\x07t"])
def test_a_token_that_no_header_takes_is_not_shown(gymsim_root: Path, asked: Path, tmp_path: Path, token: str) -> None:
    words = ["export", "lmms-eval", "x", "--dataset", "me/gym-qa", "--debug"]
    with serve_hub(HubSite()) as hub:
        told = {"HF_TOKEN": token, "HF_ENDPOINT": hub.url}
        pushed = push(tmp_path, str(asked), "--finegym", str(gymsim_root), "--debug", **told)
        asking = run(tmp_path, words, **told)
    assert does_name(pushed.stderr, "gymqa", "HF_TOKEN")
    assert "gymqa: me/gym-qa: " in asking.stderr
    assert {pushed.returncode, asking.returncode} == {2}
    assert not any("secr" in text for done in (pushed, asking) for text in (done.stdout, done.stderr))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "named"),
    [
        (401, ("HF_TOKEN", "hf auth login")),
        (403, ("token",)),
        (418, (418,)),
    ],
)
def test_a_hub_that_refuses_is_one_sentence(
    gymsim_root: Path, asked: Path, tmp_path: Path, status: int, named: tuple[object, ...]
) -> None:
    with serve_hub(HubSite(status)) as hub:
        words = (str(asked), "--finegym", str(gymsim_root))
        refused = push(tmp_path, *words, HF_TOKEN="hf_secret", HF_ENDPOINT=hub.url)
    assert refused.returncode == 2 and does_name(sentence(refused), *named), refused.stderr
    assert sentence(refused).startswith("gymqa: me/gym-qa: ")
    assert hub.requests and "secret" not in refused.stderr + refused.stdout


@pytest.mark.slow
def test_private_makes_the_repository_private(gymsim_root: Path, asked: Path, tmp_path: Path) -> None:
    with serve_hub(HubSite()) as hub:
        told = {"HF_TOKEN": "hf_secret", "HF_ENDPOINT": hub.url}
        assert push(tmp_path, str(asked), "--finegym", str(gymsim_root), "--private", **told).returncode == 0
    assert [one.get("visibility") for one in hub.created] == ["private"]


@pytest.mark.slow
def test_what_is_pushed_is_the_folder_that_a_dry_run_wrote(gymsim_root: Path, asked: Path, tmp_path: Path) -> None:
    assert push(tmp_path, str(asked), "--finegym", str(gymsim_root), "--dry_run").returncode == 0
    with serve_hub(HubSite()) as hub:
        done = push(tmp_path, str(tmp_path / "ds"), HF_TOKEN="hf_secret", HF_ENDPOINT=hub.url)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"me/gym-qa: {hub.url}/datasets/me/gym-qa/commit/1\n")
    written = [path for path in (tmp_path / "ds").rglob("*") if path.is_file()]
    assert hub.files == {str(path.relative_to(tmp_path / "ds")): path.read_bytes() for path in written}
    assert len(hub.files) == 3 and "Bearer hf_secret" in hub.tokens
    assert "secret" not in done.stderr + done.stdout
