"""Networks of two streams: what each stream is worth, where its input comes from."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.flow import build_flow
from gymqa.frames.views import JointFrames, source_of
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.i3d import I3DConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.backbones.two_stream import Fused3DConfig, TwoStreamConfig, TwoStreamI3DConfig
from recognizers.factory import load_recognizer
from recognizers.predict import predict
from recognizers.ssl.algorithms import SEFAR
from recognizers.ssl.augment import AugmentConfig, strong_view
from recognizers.training.train import train
from tests.helpers.naming import naming
from tests.helpers.published_networks import built, clip
from tests.helpers.training_world import CONFIG, World

SMALL = {"image_size": 32, "width": 8, "n_classes": 5}
CONFIGS: list[ModelConfig] = [
    TwoStreamConfig(segments=2, stack=3, **SMALL),  # type: ignore[arg-type]
    TwoStreamConfig(segments=3, stack=2, architecture="bn_inception", **SMALL),  # type: ignore[arg-type]
    TwoStreamConfig(architecture="resnet18", **SMALL),  # type: ignore[arg-type]
    Fused3DConfig(stack=2, fused_dim=8, **SMALL),  # type: ignore[arg-type]
    TwoStreamI3DConfig(n_frames=10, **SMALL),  # type: ignore[arg-type]
]
named = pytest.mark.parametrize("config", CONFIGS, ids=lambda one: f"{one.family}-{getattr(one, 'architecture', '')}")


@pytest.fixture(scope="module")
def joint(world: World, tmp_path_factory: pytest.TempPathFactory) -> JointFrames:
    """Frames and flow of the world's clips."""
    flow = build_flow(tmp_path_factory.mktemp("joint") / "flow", world[0].folder, "dis", workers=1)
    source = source_of("rgb+flow", flow.folder)
    assert isinstance(source, JointFrames)
    return source


@named
def test_both_streams_are_looked_at(config: ModelConfig) -> None:
    model, frames = built(config), clip(config)
    whole = model(frames)
    for stream in (slice(0, 3), slice(3, 5)):
        without = frames.clone()
        without[:, :, stream] = 0
        assert not torch.allclose(model(without), whole, atol=1e-4)


def test_late_fusion_adds_the_scores_of_the_streams() -> None:
    config = CONFIGS[0]
    model, frames = built(config), clip(config)
    fused = model.forward_features(frames).fused
    half = fused.shape[1] // 2
    weights = model.head.weight
    scores = [fused[:, :half] @ weights[:, :half].T, fused[:, half:] @ weights[:, half:].T]
    torch.testing.assert_close(model(frames), scores[0] + scores[1] + model.head.bias)
    other = frames.clone()
    other[:, :, 3:] += 1
    assert torch.equal(model.forward_features(other).fused[:, :half], fused[:, :half])  # colours do not see the flow


def test_the_frame_of_a_stack_is_its_middle_one() -> None:
    model, frames = built(CONFIGS[0]), clip(CONFIGS[0])  # stacks of 3
    fused = model.forward_features(frames).fused
    half = fused.shape[1] // 2
    for place in range(6):
        other = frames.clone()
        other[:, place, :3] += 1
        unseen = place not in (1, 4)
        assert torch.equal(model.forward_features(other).fused[:, :half], fused[:, :half]) == unseen


def test_the_3d_layer_sees_the_order_of_segments_and_late_fusion_does_not() -> None:
    for config, ordered in ((CONFIGS[0], False), (CONFIGS[3], True)):
        model, frames = built(config), clip(config)
        stack = config.frames // (2 if not ordered else 5)
        turned = frames.unflatten(1, (-1, stack)).flip(1).flatten(1, 2)
        assert torch.allclose(model(turned), model(frames), atol=1e-5) != ordered


def test_a_family_of_two_streams_is_chosen_by_its_name_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(tmp_path), str(tmp_path), "--training.model", "Fused3DConfig"]
    assert cli.main(words) == 2
    assert "labelled.txt" in capsys.readouterr().err  # the settings are fine, the splits are not there
    assert TwoStreamConfig(modality="rgb").modality == "rgb+flow"


@pytest.mark.parametrize("family", [TSNConfig, I3DConfig, TwoStreamConfig, Fused3DConfig, TwoStreamI3DConfig])
@pytest.mark.parametrize("modality", ["flow", "gradient", "rgb", "rgb+flow"])
def test_pixels_of_colours_are_for_networks_that_see_nothing_else(family: type[ModelConfig], modality: str) -> None:
    values: Any = {"modality": modality, "pixels": "imagenet"}
    two = issubclass(family, TwoStreamConfig | TwoStreamI3DConfig)
    if modality == "rgb" or (two and modality == "rgb+flow"):
        config: Any = family(**values)
        assert config.pixels == "imagenet" and config.modality == ("rgb+flow" if two else "rgb")
        return
    with pytest.raises(GymQAError, match=naming("rgb+flow" if two else "imagenet")):
        family(**values)


def test_frames_and_flow_lie_side_by_side(world: World, joint: JointFrames) -> None:
    cache, flow = world[0], FrameCache(joint.folder)
    ids, indices = cache.clip_ids[:2], np.array([[0, 5], [7, 15]])
    found = joint.gather(ids, indices)
    assert (found[..., :3] == cache.gather(ids, indices)).all() and (found[..., 3:] == flow.gather(ids, indices)).all()
    assert joint.fingerprint() not in (cache.fingerprint(), flow.fingerprint())


def test_flow_of_frames_that_are_gone_or_others_is_refused(world: World, joint: JointFrames, tmp_path: Path) -> None:
    flow = build_flow(tmp_path / "flow", world[0].folder, "dis", workers=1)
    (flow.folder / "source.json").write_text('{"frames": "nowhere"}')
    with pytest.raises(GymQAError, match=naming("nowhere")):
        source_of("rgb+flow", flow.folder)
    videos = world[0].folder.parent / "videos"
    fewer = FrameCache.build(tmp_path / "fewer", flow.clip_ids[:2], lambda clip: videos / f"{clip}.mp4", 16, 8, 1)
    (flow.folder / "source.json").write_text(json.dumps({"frames": str(fewer.folder)}))
    with pytest.raises(GymQAError, match=naming(flow.folder, "fewer")):
        source_of("rgb+flow", flow.folder)
    (flow.folder / "source.json").unlink()
    with pytest.raises(GymQAError, match=naming("source.json")):
        source_of("rgb+flow", flow.folder)
    with pytest.raises(GymQAError, match=naming(world[0].folder, "rgb", "flow")):
        source_of("rgb+flow", world[0].folder)


def test_strong_views_change_the_colours_and_keep_the_flows() -> None:
    frames = torch.randint(0, 256, (8, 2, 16, 16, 5), dtype=torch.uint8)
    still = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0.5)
    seen = strong_view(frames, 16, still, (2,), "none", torch.Generator().manual_seed(0), "rgb+flow")
    plain = strong_view(
        frames, 16, replace(still, channel_dropout=0), (2,), "none", torch.Generator().manual_seed(0), "rgb+flow"
    )
    assert torch.equal(seen[:, :, 3:], plain[:, :, 3:]) and not torch.equal(seen[:, :, :3], plain[:, :, :3])


@pytest.mark.slow
def test_two_streams_train_predict_and_load(world: World, joint: JointFrames, tmp_path: Path) -> None:
    model = TwoStreamConfig(image_size=16, width=4, architecture="resnet18", segments=2, stack=2, n_classes=2)
    config = replace(CONFIG, model=model, algorithm=SEFAR, steps=3, warm_up_steps=1)
    out = train(config, joint, world[1], tmp_path / "out")
    loaded = load_recognizer(out)
    assert loaded.config == model
    assert len(predict(loaded, joint, world[1].val)) == len(world[1].val)
    with pytest.raises(GymQAError, match=naming(world[0].folder, "rgb", "rgb+flow")):
        predict(loaded, world[0], world[1].val)
