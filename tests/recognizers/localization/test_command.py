"""A localizer learns where things are, goes on after a kill, and misses what lies in videos that do not decode."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.metrics.localization import Segment, average_map, map_at_tiou, read_segments
from gymqa.cli.main import main
from gymqa.errors import GymQAError
from gymqa.frames.video import write_video
from gymqa.io.files import read_json, write_json
from gymqa.runtime.runs import read_metrics
from gymqa.sim.elements import EVENTS
from recognizers.localization.config import GroupingConfig, Level
from recognizers.localization.detection import DetectionConfig, detect, find_segments
from recognizers.localization.network import Localizer
from recognizers.localization.segments import VideoSegment, read_split, write_detections, write_truth
from recognizers.localization.snippet_store import SnippetStore
from recognizers.localization.training import train_localizer
from tests.helpers import warm
from tests.helpers.localization_world import DIM, IDS, KILLED, TINY, manifests, write_root, write_store
from tests.helpers.naming import naming

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A release's folder and a store of features that show what happens."""
    folder = tmp_path_factory.mktemp("localization")
    return write_root(folder / "root", manifests()), write_store(folder / "store", manifests())


def segments(path: Path, stretches: tuple[VideoSegment, ...]) -> list[Segment]:
    write_truth(path, stretches)
    return read_segments(path)


@pytest.mark.parametrize("level", ["action", pytest.param("sub-action", marks=pytest.mark.exhaustive)])
def test_an_easy_signal_is_found(release: tuple[Path, Path], level: Level, tmp_path: Path) -> None:
    root, store = release[0], SnippetStore(release[1])
    split = read_split(root, level)
    model = train_localizer(store, split.train, tmp_path / "model", replace(TINY, level=level))
    scores = scores_of(model, store, split.test, tmp_path)
    assert scores[0.5] > 0.95 and scores[0.7] > 0.9, scores
    if level == "action":  # proposals end on whole snippets that look active; regression moves them to the truth
        for zeroed in (model.places.weight, model.places.bias, model.place_mean):
            torch.nn.init.zeros_(zeroed)
        unmoved = scores_of(model, store, split.test, tmp_path)
        assert average_map(scores) > average_map(unmoved) + 0.03, (scores, unmoved)


def scores_of(
    model: Localizer, store: SnippetStore, test: tuple[VideoSegment, ...], folder: Path
) -> dict[float, float]:
    """MAP at each overlap, by way of the files."""
    found, missing = detect(model, store, test)
    assert not missing
    write_detections(folder / "found.jsonl", found)
    return map_at_tiou(segments(folder / "truth.jsonl", test), read_segments(folder / "found.jsonl"))


def kill(root: Path, store: Path, out: Path, checkpoints: int) -> int:
    words = ["-m", "tests.helpers.killing_localizer", *map(str, (root, store, out, checkpoints))]
    return warm.run(words).returncode


@pytest.mark.exhaustive
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    release: tuple[Path, Path], tmp_path: Path
) -> None:
    root, store = release
    train = read_split(root, KILLED.level).train
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = train_localizer(SnippetStore(store), train, tmp_path / "whole", KILLED)
    for checkpoints in (1, 3):  # in actionness, then among the segments
        assert kill(root, store, tmp_path / "killed", checkpoints) == -signal.SIGKILL
    steps = [line["step"] for line in read_metrics(tmp_path / "killed" / "metrics.jsonl")]
    assert steps == list(range(1, max(steps) + 1)) and max(steps) > KILLED.actionness_steps
    again = train_localizer(SnippetStore(store), train, tmp_path / "killed", KILLED)
    torch.set_num_threads(threads)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
    logs = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("whole", "killed")]
    assert logs[0] == logs[1]


def test_a_finished_training_is_kept_and_another_refused(release: tuple[Path, Path], tmp_path: Path) -> None:
    store, train = SnippetStore(release[1]), read_split(release[0], "action").train
    first = train_localizer(store, train, tmp_path / "model", KILLED)
    before = (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns
    again = train_localizer(store, train, tmp_path / "model", KILLED)
    assert (tmp_path / "model" / "model.safetensors").stat().st_mtime_ns == before
    assert again.config == first.config and first.config.labels == (1, 2)
    train_localizer(store, train, tmp_path / "model", replace(KILLED, checkpoint_every=3))  # no other training
    for config, stretches in ((replace(KILLED, seed=1), train), (KILLED, train[:2])):
        with pytest.raises(GymQAError, match=naming(tmp_path / "model")):
            train_localizer(store, stretches, tmp_path / "model", config)


def test_a_batch_without_proposals_ends_no_training_and_segments_are_grouped_as_in_it(
    release: tuple[Path, Path], tmp_path: Path
) -> None:
    store, train = SnippetStore(release[1]), read_split(release[0], "action").train
    empty = [replace(one, instances=()) for one in train[1:]]
    config = replace(KILLED, batch=1, grouping=GroupingConfig(step=0.999))  # which proposes nothing
    model = train_localizer(store, [train[0], *empty], tmp_path / "model", config)
    snippets = store.snippets(store.features(train[0].video_id), train[0], config.snippet)
    assert not len(find_segments(model, snippets).scores)
    assert len(find_segments(model, snippets, DetectionConfig(grouping=GroupingConfig())).scores)


def test_features_of_another_network_are_refused(release: tuple[Path, Path], tmp_path: Path) -> None:
    root, folder = release
    model = train_localizer(SnippetStore(folder), read_split(root, "action").train, tmp_path / "model", KILLED)
    other = write_store(tmp_path / "store", manifests()[:1])
    write_json(other / "snippets.json", {**read_json(other / "snippets.json"), "fingerprint": {"encoder": "other"}})
    with pytest.raises(GymQAError, match=naming(other)):
        detect(model, SnippetStore(other), [])
    with pytest.raises(GymQAError, match=naming(tmp_path / "model")):
        write_json(tmp_path / "model" / "config.json", {"model": "sefar"})
        Localizer.from_pretrained(tmp_path / "model")


def test_videos_of_both_lists_are_not_tested_on(tmp_path: Path) -> None:
    root = write_root(tmp_path, manifests())
    val = root / "annotations" / "gymsim24_val_element.txt"
    train = root / "annotations" / "gymsim24_train_element.txt"
    lines = val.read_text().splitlines()
    train.write_text(train.read_text() + lines[0] + "\n")  # a clip of the first val video
    split = read_split(root, "action")
    assert {one.id for one in split.test} == set(IDS[7:]) and {one.id for one in split.train} == set(IDS[:7])
    actions = read_split(root, "sub-action")
    assert {one.video_id for one in actions.test} == set(IDS[7:])
    assert all(one.end is not None and one.id.startswith(f"{one.video_id}_E_") for one in actions.test)


def test_a_label_that_the_setting_lacks_is_not_to_be_found(tmp_path: Path) -> None:
    root = write_root(tmp_path, manifests())
    for name in ("train", "val"):
        path = root / "annotations" / f"gymsim24_{name}_element.txt"
        path.write_text("\n".join(path.read_text().splitlines()[::2]) + "\n")  # every other clip is of no element
    split = read_split(root, "sub-action")
    labels = [one.label for stretch in split.test for one in stretch.instances]
    assert None in labels and any(label is not None for label in labels)
    assert len(segments(tmp_path / "truth.jsonl", split.test)) == sum(label is not None for label in labels)


def coloured(path: Path, manifest: dict[str, object]) -> None:
    """A video at 5 fps in which an action is a flickering field, red or green by its apparatus."""
    count = 5 * int(manifest["seconds"])  # type: ignore[call-overload]
    frames = np.full((count, 64, 64, 3), 60, np.uint8)
    for action in manifest["events"]:  # type: ignore[attr-defined]
        here = slice(5 * action["start"], 5 * action["stop"])
        frames[here, :, :, EVENTS.index(action["event"])] = 200
        frames[here][::2, 20:44, 20:44] = 255
    write_video(path, frames, 5, preset="ultrafast")


def test_the_command_line_goes_from_videos_to_map(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root, made = write_root(tmp_path / "root", manifests()), manifests()
    for manifest in made:
        coloured(root / "videos" / f"{manifest['video_id']}.mp4", manifest)
    broken = root / "videos" / f"{IDS[-1]}.mp4"
    broken.write_bytes(broken.read_bytes()[:2000])
    store, model, out = (str(tmp_path / name) for name in ("store", "model", "found.jsonl"))
    assert main(["localize", "features", str(root), "--out", store, "--fps", "5"]) == 0
    assert "8 of 9 videos" in (said := capfd.readouterr().out) and f"not decoded: {IDS[-1]}: " in said
    options = ["--training.actionness_steps", "40", "--training.steps", "80", "--training.hidden", "32"]
    assert main(["localize", "train", str(root), store, "--level", "action", "--out", model, *options]) == 0
    assert main(["localize", "predict", model, str(root), store, "--out", out]) == 0
    assert f"missed as a whole: {IDS[-1]}: " in capfd.readouterr().out
    truth = tmp_path / "found.truth.jsonl"
    assert len(truth.read_text().splitlines()) == 12  # those of the broken video among them
    assert main(["metrics", out, "--truth", str(truth), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)["metrics"]["mAP@0.5"]
    assert 0.55 < found <= 0.75  # two videos of three


def test_wrong_words_are_refused_in_a_sentence(
    release: tuple[Path, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root, store = map(str, release)
    for words in (
        ["train", root, store, "--level", "event"],
        ["train", root, str(tmp_path), "--level", "action"],
        ["train", str(tmp_path), store, "--level", "action"],
        ["predict", str(tmp_path), root, store],
        ["predict", str(tmp_path), root, store, "--out", "found.json"],
        ["features", root, "--out", str(tmp_path / "s"), "--recognizer", str(tmp_path)],
    ):
        assert main(["localize", *words]) == 2, words
        assert capfd.readouterr().err.startswith("gymqa: ")


def test_a_video_where_nothing_is_active_has_no_segments(release: tuple[Path, Path], tmp_path: Path) -> None:
    model = train_localizer(SnippetStore(release[1]), read_split(release[0], "action").train, tmp_path, KILLED)
    torch.nn.init.constant_(model.actionness_net[-1].bias, -99.0)  # type: ignore[arg-type]
    assert not len(find_segments(model, torch.zeros(9, DIM)).scores)
    with pytest.raises(GymQAError, match=naming("overlap=2")):
        DetectionConfig(overlap=2)
