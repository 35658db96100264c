"""Every name of `gymqa list recognizers` and `gymqa list algorithms` has a recipe that trains, resumes and serves."""

import inspect
import json
import re
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from encoders.features.store import FeatureStore
from gymqa.cli import main as cli
from gymqa.cli.commands.models.extract import extract
from gymqa.cli.commands.models.predict import predict
from gymqa.cli.commands.models.train import train
from gymqa.finegym.annotations import Clip, open_release
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import build_flow
from gymqa.frames.keypoints import read_keypoints
from gymqa.frames.pose_cache import PoseCache
from gymqa.frames.skeletons import COCO17
from gymqa.io.files import write_json
from gymqa.sim.pose_labels import write_joints
from gymqa.sim.release import ReleaseConfig
from gymqa.video_datasets.imported import CLASSES
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.registry import list_models
from recognizers.config import TrainConfig
from recognizers.factory import model_config, read_config
from recognizers.loader import ClipBatches
from recognizers.recipes import read_cells
from recognizers.ssl.algorithms import ALGORITHMS, algorithm_named
from tests.helpers.places import RECIPES as FOLDER
from tests.helpers.recipes_read import BY_NAME, PARSER, algorithm_of, values

pytestmark = pytest.mark.slow

NAMES = list(BY_NAME)
SIDE, FRAMES, KINDS = 32, 16, 4  # pixels, frames kept of a clip, classes
SMALL: dict[str, dict[str, Any]] = {
    "sefar": {"patch_size": 16, "dim": 16, "depth": 1, "heads": 2, "fusion_dim": 8},
    "trn": {"frame_dim": 8, "relation_dim": 8},
    "actionvlad": {"segments": 4, "clusters": 3},
    "lstm": {"segments": 4, "hidden": 8},
    "tsm": {"segments": 4},
    "c3d": {"wide": 8, "n_frames": 8},
    "two_stream": {"stack": 2},
    "two_stream_3d_fused": {"stack": 2, "fused_dim": 8, "segments": 2},
}
"""What makes each family small, beside 32 px, width 8 and 8 frames."""


def recipe_of_recognizer(name: str) -> str:
    """FineGym's training with all labels (GymSim's for its joints), or SeFAR's of its own sizes."""
    return next(f"{name}_{setting}" for setting in ("gym99", "gymsim", "gym99_5") if f"{name}_{setting}" in NAMES)


def recipe_of_algorithm(name: str) -> str:
    """The algorithm on the backbone that it comes with."""
    return next(f"{name}_{size}_gym99_5" for size in ("s", "b", "r3d18") if f"{name}_{size}_gym99_5" in NAMES)


def small(model: ModelConfig) -> dict[str, Any]:
    """Settings of a recipe's model that make it small."""
    changes = SMALL.get(model.family, {"n_frames": 8} if hasattr(model, "n_frames") else {})
    return {"image_size": SIDE, **({} if model.family == "sefar" else {"width": 8}), **changes}


RECIPES = list(dict.fromkeys([*map(recipe_of_recognizer, list_models()), *map(recipe_of_algorithm, ALGORITHMS)]))
"""One of every name; SeFAR's with SeFAR-S is the recognizer's and the algorithm's."""


@dataclass(frozen=True, eq=False)
class Tiny:
    """Splits, and frames of each modality, or poses of each skeleton."""

    splits: Path
    sources: dict[str, Path]


@pytest.fixture(scope="session")
def tiny(gymsim_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Four elements of GymSim: one labelled, two unlabelled and one val clip of each."""
    folder = tmp_path_factory.mktemp("smoke")
    release = open_release(gymsim_root)
    train_clips, val_clips = (clips_of(release.read_clips(path)) for path in (release.train_list, release.val_list))
    parts = [train_clips[place::3] for place in range(3)]
    splits = Splits(parts[0], [replace(clip, label=None) for clip in (*parts[1], *parts[2])], val_clips[::2])
    splits.write(folder / "splits")
    (folder / "splits" / CLASSES).write_text("".join(f"element {number}\n" for number in range(KINDS)))
    wanted = [clip.id for clip in (*splits.labelled, *splits.unlabelled, *splits.val)]
    FrameCache.build(folder / "frames", wanted, release.clip_path, SIDE, FRAMES, workers=1)
    build_flow(folder / "flow", folder / "frames", "dis", workers=1)
    (folder / "manifests").symlink_to(gymsim_root / "manifests")  # other tests find the release as it was
    write_joints(folder, ReleaseConfig(train_videos=3, val_videos=2, raw_videos=1, size=64))  # conftest's
    detected = folder / "joints" / "detected"
    PoseCache.build(folder / "gymsim15", wanted, detected, "gymsim15")
    for clip in wanted:
        write_coco(folder / "coco" / f"{clip}.json", detected / f"{clip}.npz")
    PoseCache.build(folder / "coco17", wanted, folder / "coco")
    kept = {"rgb": "frames", "flow": "flow", "rgb+flow": "flow", "gymsim15": "gymsim15", "coco17": "coco17"}
    return Tiny(folder / "splits", {seen: folder / name for seen, name in kept.items()})


def write_coco(path: Path, gymsim: Path) -> None:
    """A clip's file as a detector of COCO's joints writes it: GymSim's, and eyes and ears beside the nose."""
    clip = read_keypoints(gymsim)
    joints = COCO17.take(clip.keypoints, clip.joints)
    joints[:, 1:5] = joints[:, :1] + [[1, -1, 0], [-1, -1, 0], [2, 0, 0], [-2, 0, 0]]
    frames = [[{"keypoints": frame.ravel().tolist(), "score": 1.0}] for frame in joints]
    write_json(path, {"width": clip.size[0], "height": clip.size[1], "frames": frames})


def source(sees: TrainConfig | ModelConfig, model: ModelConfig, tiny: Tiny) -> Path:
    """What a training (some see more than their model) or a recognizer is to see."""
    return tiny.sources[model.skeleton_name or sees.modality]


def clips_of(clips: list[Clip]) -> list[Clip]:
    """Those of the first four elements, sorted by element; there is one a competition."""
    return sorted((clip for clip in clips if clip.label in range(KINDS)), key=lambda clip: (clip.label, clip.id))


@cache
def made_small(recipe: str, tiny: Tiny) -> dict[str, Any]:
    """Arguments of a recipe with the settings that make it small, as `gymqa recipes run --overrides` puts them over."""
    training: TrainConfig = replace(values(recipe).training, algorithm=algorithm_of(recipe))
    model, frames = training.model, source(training, training.model, tiny)
    overrides = {
        "splits": str(tiny.splits), "frames": str(frames), "epochs": 0, "warm_up_epochs": 0,
        "training": {
            "initial": "none", "precision": "no", "steps": 3, "warm_up_steps": 1, "labelled_batch": 2,
            "unlabelled_batch": 2, "checkpoint_every": 2, "log_every": 1, "workers": 0, "tracker": "none",
            "model": small(model),
        },
    }  # fmt: skip
    file = tiny.splits.parent / f"{recipe}.yaml"
    file.write_text(json.dumps(overrides))
    given = PARSER.instantiate(PARSER.parse_args(BY_NAME[recipe].arguments(tiny.splits.parent, file)))
    return {name: given[name] for name in inspect.signature(train).parameters}


def run(recipe: str, tiny: Tiny, out: Path) -> None:
    """Train a recipe made small."""
    train(**{**made_small(recipe, tiny), "out": out})


RESUMED = list(dict.fromkeys(map(recipe_of_algorithm, ALGORITHMS)))
"""Each algorithm's recipe, as what a checkpoint holds beside networks differs between them alone."""


LARGE = [f"{name}_gym99" for name in (
    "nl_i3d_r50", "i3d_r50", "i3d_inception", "two_stream_i3d", "two_stream_3d_fused", "two_stream_bn_inception",
    "slowfast_r50", "r2plus1d_34", "r2plus1d_18", "lstm_inception", "actionvlad_bn_inception",
)]  # fmt: skip
"""Recipes that take seconds even when made small: `make test-all` runs them."""
SERVED = [
    pytest.param(recipe, marks=pytest.mark.exhaustive) if recipe in LARGE else recipe
    for recipe in RECIPES
    if recipe not in RESUMED
]


@pytest.mark.parametrize("recipe", SERVED)
def test_a_recipe_trains_predicts_and_exports_features(recipe: str, tiny: Tiny, tmp_path: Path) -> None:
    run(recipe, tiny, tmp_path / "whole")
    serve(tmp_path / "whole", tiny, tmp_path)


@pytest.mark.parametrize("recipe", RESUMED)
def test_a_stopped_recipe_goes_on_to_the_same_weights(
    recipe: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halved, steps, at = tmp_path / "halved", [], ClipBatches.at

    def stops(self: ClipBatches, step: int) -> object:
        steps.append(step)
        if step == 2 and steps[0] == 0:
            raise KeyboardInterrupt
        return at(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(ClipBatches, "at", stops)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, tiny, halved)
        steps.clear()
        run(recipe, tiny, halved)
    assert set(steps) == {2}  # it went on from there
    run(recipe, tiny, tmp_path / "whole")
    weights = [load_file(folder / "model.safetensors") for folder in (halved, tmp_path / "whole")]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def serve(model: Path, tiny: Tiny, folder: Path) -> None:
    """Predict and score the val clips, and extract their features."""
    config = read_config(model)
    frames, clips = source(config, config, tiny), tiny.splits / "val.txt"
    predict(model, frames, folder / "p.jsonl", clips=clips)
    lines = [json.loads(line) for line in (folder / "p.jsonl").read_text().splitlines()]
    assert len(lines) == KINDS
    assert all(sum(line["probabilities"]) == pytest.approx(1, abs=1e-4) for line in lines)
    assert set(json.loads((folder / "p.metrics.json").read_text())) >= {"clips", "top1", "mean_class", "mAP"}
    extract(str(model), frames, folder / "features", clips=[clips])
    store = FeatureStore(folder / "features")
    assert len(store) == KINDS


def test_every_name_that_the_lists_show_is_trained(capsys: pytest.CaptureFixture[str]) -> None:
    for kind, recipe_of in (("recognizers", recipe_of_recognizer), ("algorithms", recipe_of_algorithm)):
        assert cli.main(["list", kind]) == 0
        names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert names and {recipe_of(name) for name in names} <= set(RECIPES)


@pytest.mark.parametrize("name", list_models())
def test_a_recognizer_made_small_sees_what_it_is_made_for(name: str) -> None:
    model = model_config(name)
    made = replace(model, **small(model))
    assert (made.modality, made.skeleton_name, made.channels) == (model.modality, model.skeleton_name, model.channels)


def test_all_joints_of_both_skeletons_are_seen(tiny: Tiny) -> None:
    for skeleton in ("coco17", "gymsim15"):
        cache = PoseCache(tiny.sources[skeleton])
        assert cache.skeleton.name == skeleton and not cache.failures
        assert all((cache.get(clip)[..., 2] > 0).any(0).all() for clip in cache.clip_ids)


@pytest.mark.parametrize("name", list_models())
def test_a_recipes_model_is_the_recognizer_of_its_name(name: str) -> None:
    given = values(recipe_of_recognizer(name))
    training: TrainConfig = given.training
    assert replace(training.model, n_classes=99) == replace(model_config(name), n_classes=99)
    assert given.out == Path("runs/recipes") / recipe_of_recognizer(name)
    kind = {"rgb": "frames", "pose": "poses"}.get(training.model.modality, "flow")
    assert given.frames == Path("runs") / kind / ("gymsim" if name == "stgcn_gymsim" else "gym99")
    assert given.count_classes


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_recipes_algorithm_is_that_of_its_name(name: str) -> None:
    given = values(recipe_of_algorithm(name))
    assert algorithm_of(recipe_of_algorithm(name)) == algorithm_named(name)
    assert given.frames == Path("runs/flow/gym99" if name == "mvpl" else "runs/frames/gym99")
    assert (given.splits, given.epochs, given.warm_up_epochs) == (Path("runs/splits/gym99_5"), 30, 5)
    assert given.out == Path("runs/recipes") / recipe_of_algorithm(name)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_flow")])
def test_a_recipe_of_flow_is_that_of_colours_but_for_what_is_seen(name: str) -> None:
    flow, colours = values(name), values(name.removesuffix("_flow"))
    assert flow.frames == Path("runs/flow/gym99") and flow.out == Path("runs/recipes") / name
    assert flow.training == replace(colours.training, model=replace(colours.training.model, modality="flow", stack=5))


def test_finegyms_table_3_has_the_papers_figures(shared: Path) -> None:
    said = (shared / "PAPERS.md").read_text(encoding="utf-8")
    cells = {cell.row: cell for cell in read_cells(FOLDER) if cell.table == "finegym-3"}
    assert all(re.search(rf"[/ ]{cell.top1}\b", said) for cell in cells.values())
    assert cells["TRNms flow"].top1 == 85.5 and cells["ActionVLAD"].top1 == 69.5
    assert {cell.recipe for cell in cells.values()} <= set(NAMES)
