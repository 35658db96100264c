"""FineGym's studies at a tiny size: tables, files, pictures, and what is refused."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gymqa.cli.main import dispatch
from gymqa.cli.studies.frames import frames
from gymqa.cli.studies.modality import modality
from gymqa.cli.studies.results import published
from gymqa.cli.studies.settings import RENDERED, SMALL, TRAINING, at_level, names_of_classes
from gymqa.cli.studies.shuffle import shuffle
from gymqa.cli.studies.study import whole_numbers
from gymqa.cli.studies.test_frames import frames_in_testing
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from recognizers.backbones.trn import TRNConfig
from recognizers.backbones.tsm import TSMConfig
from recognizers.backbones.tsn import TSNConfig
from tests.helpers.naming import naming

pytestmark = pytest.mark.slow

SIZES: dict[str, Any] = {"image_size": 24, "architecture": "resnet18", "width": 8}
TINY = {"tsn": TSNConfig(**SIZES), "trn": TRNConfig(**SIZES, frame_dim=8, relation_dim=8), "tsm": TSMConfig(**SIZES)}
TRAINED = replace(TRAINING, steps=2, rate_warm_up_steps=0, labelled_batch=4, log_every=1, precision="no")
PNG = b"\x89PNG\r\n\x1a\n"
Shown = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small recognizers are smaller still."""
    for name, config in TINY.items():
        monkeypatch.setitem(SMALL, name, config)


def figures(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


def trained_models(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.glob("models/*/model.safetensors")}


def test_more_frames_are_tried_in_training_and_testing(gymsim_root: Path, tmp_path: Path, capsys: Shown) -> None:
    frames(gymsim_root, tmp_path, frames=[3, 1], seeds=[0], max_frames=8, workers=1, training=TRAINED)
    found = figures(tmp_path, "frames")
    assert [(cell["frames"], cell["tested"]) for cell in found["cells"]] == [(1, 1), (1, 3), (3, 3)]
    assert (found["clips"], found["videos"], found["chance"]) == (48, 2, pytest.approx(1 / 24))
    cell = found["cells"][0]
    assert cell["mean_class"]["value"] == pytest.approx(cell["seeds"]["0"]["mean_class"])
    assert cell["mean_class"]["low"] <= cell["mean_class"]["value"] <= cell["mean_class"]["high"]
    assert found["settings"]["setting"] == "gymsim24"
    assert str(tmp_path) not in json.dumps(found) and str(gymsim_root.parent) not in json.dumps(found)
    assert found["environment"]["versions"]["torch"]
    shown = capsys.readouterr().out
    assert "tested with as many" in shown and "35.5" in shown and "61.4" in shown
    assert (tmp_path / "frames.png").read_bytes().startswith(PNG)


def test_what_is_lost_on_shuffled_frames_is_measured_for_each_recognizer(gymsim_root: Path, tmp_path: Path) -> None:
    shuffle(
        gymsim_root, tmp_path, recognizers=["tsn", "trn"], frames=3, seeds=[0], max_frames=8, workers=1,
        training=TRAINED,
    )  # fmt: skip
    found = figures(tmp_path, "shuffle")
    assert len(found["cells"]) == 2 * 2 * 3
    assert {cell["trained"] for cell in found["cells"]} == {"ordered", "shuffled"}
    of_tsn = [one for one in found["differences"] if one["of"]["recognizer"] == "tsn"]
    blind = next(one for one in of_tsn if (one["of"]["trained"], one["of"]["tested"]) == ("ordered", "shuffled"))
    assert blind["top1"]["value"] == 0.0  # a mean of frames has no order
    lines = (tmp_path / "predictions").glob("trn-element-3-ordered-0-at-3-*.jsonl")
    assert len({path.read_text(encoding="utf-8").replace(', "control": "shuffled"', "") for path in lines}) == 3
    assert (tmp_path / "shuffle.png").read_bytes().startswith(PNG)


def test_trained_with_three_frames_tested_with_others(gymsim_root: Path, tmp_path: Path) -> None:
    frames_in_testing(
        gymsim_root, tmp_path, level="set", frames=3, test_frames=[2, 5], seeds=[0, 1], max_frames=8, workers=1,
        training=TRAINED,
    )  # fmt: skip
    found = figures(tmp_path, "test-frames")
    assert [(cell["recognizer"], cell["tested"]) for cell in found["cells"]] == [
        (name, count) for name in ("tsn", "tsm") for count in (2, 3, 5)
    ]
    assert len(trained_models(tmp_path)) == 2 * 2  # one a seed, however many frames are tested
    assert [cell["seeds"].keys() for cell in found["cells"]] == [{"0": 0, "1": 0}.keys()] * 6
    assert found["chance"] == pytest.approx(1 / 8)  # sets
    assert {one["minus"]["tested"] for one in found["differences"]} == {3}


def test_colours_and_flow_are_compared_at_every_level(gymsim_root: Path, tmp_path: Path, capsys: Shown) -> None:
    modality(
        gymsim_root, tmp_path, levels=["element", "event"], modalities=["flow", "rgb", "gradient"], frames=2,
        flow_stack=2, seeds=[0], max_frames=8, workers=1, training=TRAINED,
    )  # fmt: skip
    found = figures(tmp_path, "modality")
    assert [(cell["level"], cell["modality"]) for cell in found["cells"]] == [
        (level, name) for level in ("event", "element") for name in ("rgb", "flow", "gradient", "2stream")
    ]
    seen = {name: config["modality"] for name, config in _configs(tmp_path).items()}
    assert seen == {
        f"tsn-{level}-{name}-0": name for level in ("event", "element") for name in ("rgb", "flow", "gradient")
    }
    assert _configs(tmp_path)["tsn-element-flow-0"]["stack"] == 2
    streams = [_predictions(tmp_path, f"tsn-element-{name}-0-at-2-none") for name in ("rgb", "flow")]
    labels = np.array([line["label"] for line in streams[0]])
    mean = np.mean([[line["probabilities"] for line in stream] for stream in streams], axis=0)
    assert found["cells"][-1]["top1"]["value"] == pytest.approx(float((mean.argmax(1) == labels).mean()))
    assert set(found["elements"]) == {"rgb", "flow", "gradient", "2stream"}
    of_elements = [share for share in found["elements"]["rgb"].values() if share is not None]
    rgb = next(cell for cell in found["cells"] if (cell["level"], cell["modality"]) == ("element", "rgb"))
    assert np.mean(of_elements) == pytest.approx(rgb["mean_class"]["value"])
    assert found["chance"] == {"event": 0.25, "element": pytest.approx(1 / 24)}
    assert "99.9" in capsys.readouterr().out  # the paper's events, 2stream
    for name in ("modality.png", "modality-sets.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)


def test_skeletons_are_a_modality_of_rendered_gymnasts(tmp_path: Path) -> None:
    rendered = replace(RENDERED, train_videos=1, val_videos=1)
    modality(
        None, tmp_path, levels=["event"], modalities=["pose", "rgb"], frames=2, seeds=[0], max_frames=4, workers=1,
        training=TRAINED, rendered=rendered,
    )  # fmt: skip
    found = figures(tmp_path, "modality")
    assert [cell["modality"] for cell in found["cells"]] == ["rgb", "pose"]
    assert _configs(tmp_path)["tsn-event-pose-0"]["skeleton"] == "gymsim15"
    assert found["settings"]["data"]["train_videos"] == 1


def _configs(folder: Path) -> dict[str, Any]:
    return {path.parent.name: json.loads(path.read_text()) for path in folder.glob("models/*/config.json")}


def _predictions(folder: Path, name: str) -> list[dict[str, Any]]:
    text = (folder / "predictions" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.exhaustive
def test_a_killed_study_goes_on_and_gives_the_same_figures(
    gymsim_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the other process has the small recognizers as they are
    words = (
        f"study frames --root {gymsim_root} --frames 1 2 --seeds 0 --max_frames 8 --workers 1 --training.steps 3 "
        "--training.rate_warm_up_steps 0 --training.labelled_batch 4 --training.checkpoint_every 1 --out"
    ).split()
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-m", "gymqa.cli.main", *words, str(killed)], stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(killed.glob("predictions/tsn*.jsonl")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    first = trained_models(killed)
    assert len(first) == 1 and not (killed / "frames.json").exists()
    dispatch([*words, str(killed)])
    dispatch([*words, str(whole)])
    assert figures(killed, "frames") == figures(whole, "frames")
    again = trained_models(killed)
    assert len(again) == 2 and first.items() <= again.items()
    dispatch([*words, str(killed)])
    assert trained_models(killed) == again


@pytest.mark.parametrize(
    ("study", "named"),
    [
        (lambda root, out: frames(root, out, recognizer="tsnn"), ("'tsnn'", "tsn, trn, trn-ms, tsm")),
        (lambda root, out: frames(root, out, recognizer="sefar_tiny"), ("sefar", "tsn")),
        (lambda root, out: frames(root, out, frames=[0, 3]), ("0 3",)),
        (lambda root, out: frames(root, out, seeds=[1, 1]), ([1, 1],)),
        (lambda root, out: frames(root, out, setting="gym77"), ("'gym77'",)),
        (lambda root, out: frames(out, out), ("FineGym",)),
        (lambda root, out: frames(root, out, training=replace(TRAINED, model=TINY["tsn"])), ("training.model",)),
        (lambda root, out: modality(root, out, modalities=["sound"]), ("'sound'", "rgb", "flow")),  # type: ignore[list-item]
        (lambda root, out: modality(root, out, recognizer="stgcn"), ("stgcn", "pose", "rgb")),
        (lambda root, out: modality(root, out, modalities=["pose"], workers=1), ("--keypoints",)),
        (lambda root, out: shuffle(root, out, frames=1, recognizers=["tsn"]), (1, "--frames")),
        (lambda root, out: frames_in_testing(root, out, recognizers=["trn"]), ("trn", 3)),
    ],
)  # fmt: skip
def test_what_cannot_be_studied_is_refused_in_a_sentence(
    gymsim_root: Path, tmp_path: Path, study: Callable[[Path, Path], None], named: tuple[object, ...]
) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        study(gymsim_root, tmp_path)
    assert not (tmp_path / "models").exists()


def test_levels_are_elements_sets_and_events(gymsim_root: Path) -> None:
    release = open_release(gymsim_root)
    clips, taxonomy = release.read_clips(release.val_list), release.taxonomy
    assert names_of_classes(taxonomy, "event") == ["VT", "FX", "BB", "UB"]
    for clip, by_set, by_event in zip(
        clips, at_level(clips, taxonomy, "set"), at_level(clips, taxonomy, "event"), strict=True
    ):
        element = taxonomy.elements[clip.label or 0]
        name = next(one.name for one in taxonomy.sets if one.id == element.set_id)
        assert names_of_classes(taxonomy, "set")[by_set.label or 0] == name
        assert names_of_classes(taxonomy, "event")[by_event.label or 0] == element.event
        assert clip.id == by_set.id == by_event.id


def test_the_papers_figures_are_at_hand() -> None:
    of_frames = {one.column: one.value for one in published("frames") if one.data == "Gym99"}
    assert of_frames == {"1": 35.46, "3": 61.4, "5": 70.8, "7": 74.4, "12": 78.82}
    assert {one.source for one in published("modality")} >= {"Table 2", "Table 3a"}


def test_numbers_of_frames_are_taken_once_and_in_order() -> None:
    assert whole_numbers([5, 1, 5], [2], "frames") == [1, 5]
    assert whole_numbers(None, [2], "frames") == [2]
