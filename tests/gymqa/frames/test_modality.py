"""Modalities: what each shows, that views keep to its geometry, and that none is taken for another."""

import json
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from encoders.answering.one_video import TunedFolder, answer_video
from encoders.features.extract import extract
from encoders.video.sefar import SeFAREncoder
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import CacheSettings, IndexEntry
from gymqa.frames.flow import LIMIT, flow_fields, to_bytes
from gymqa.frames.modality import Modality, channels, mirrored
from gymqa.frames.stored_frames import pack, stored_frames
from gymqa.frames.views import GradientFrames, source_of
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.c3d import C3DConfig
from recognizers.backbones.i3d import I3DConfig
from recognizers.backbones.registry import list_models
from recognizers.backbones.resnet3d import ResNet3DConfig
from recognizers.backbones.slowfast import SlowFastConfig
from recognizers.backbones.trn import TRNConfig
from recognizers.backbones.tsm import TSMConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.factory import load_recognizer, model_config
from recognizers.predict import predict
from recognizers.ssl.algorithms import SEFAR
from recognizers.ssl.augment import (
    OPERATIONS,
    AugmentConfig,
    _geometry,
    _sample,
    rotate_flow,
    strong_view,
    to_model,
    weak_view,
)
from recognizers.training.train import train
from tests.helpers.naming import naming
from tests.helpers.training_world import CONFIG, MODEL, World

STILL = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0)
SMALL = {"image_size": 32, "width": 8, "n_classes": 5}
SIZES: list[ModelConfig] = [
    TSNConfig(**SMALL),  # type: ignore[arg-type]
    TSNConfig(architecture="bn_inception", stack=5, **SMALL),  # type: ignore[arg-type]
    TRNConfig(segments=3, frame_dim=6, relation_dim=8, stack=2, **SMALL),  # type: ignore[arg-type]
    TSMConfig(segments=4, shifted=4, architecture="resnet18", **SMALL),  # type: ignore[arg-type]
    I3DConfig(**SMALL),  # type: ignore[arg-type]
    I3DConfig(architecture="resnet50", **SMALL),  # type: ignore[arg-type]
    ResNet3DConfig(factorised=True, **SMALL),  # type: ignore[arg-type]
    C3DConfig(wide=8, **SMALL),  # type: ignore[arg-type]
    SlowFastConfig(n_frames=8, beta=2, **SMALL),  # type: ignore[arg-type]
    replace(MODEL, n_classes=5),
]


def noise(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@pytest.fixture(scope="module")
def flow(world: World, tmp_path_factory: pytest.TempPathFactory) -> FrameCache:
    """A cache of vectors, x falling and y rising with time, of the clips of the world."""
    from gymqa.frames.cache_format import lines_of
    from gymqa.io.files import write_text

    cache, _ = world
    folder = tmp_path_factory.mktemp("flow")
    settings = CacheSettings(16, 16, "raw", "flow", "dis")
    vectors = np.empty((16, 16, 16, 2), np.uint8)
    vectors[..., 0], vectors[..., 1] = 60, 200
    packed = pack(vectors, settings)
    crc, size = zlib.crc32(packed), len(packed)
    entries = [IndexEntry(clip, place * size, size, 16, crc) for place, clip in enumerate(cache.clip_ids)]
    (folder / "frames.bin").write_bytes(packed * len(entries))
    head = {"size": 16, "max_frames": 16, "format": "raw", "modality": "flow", "method": "dis"}
    write_text(folder / "clips.jsonl", json.dumps(head) + "\n" + lines_of(entries, settings))
    return FrameCache(folder)


def test_a_gradient_is_the_halved_difference_of_two_frames_and_the_last_comes_twice(world: World) -> None:
    cache, _ = world
    clip = cache.clip_ids[0]
    frames = cache.get(clip).astype(int)
    found = GradientFrames(cache).gather([clip], np.arange(16)[None])[0].astype(int)
    by_hand = np.floor((frames[1:] - frames[:-1]) / 2) + 128
    assert (found[:15] == by_hand).all() and (found[15] == found[14]).all()
    assert found.max() > 160 and found.min() < 96  # the bar moves
    with pytest.raises(IndexError):
        GradientFrames(cache).gather([clip], np.array([[16]]))


def test_a_cache_that_does_not_say_what_it_shows_is_of_colours(world: World, flow: FrameCache) -> None:
    cache, _ = world
    head = json.loads((cache.folder / "clips.jsonl").read_text().splitlines()[0])
    assert "modality" not in head and cache.modality == "rgb"
    assert flow.modality == "flow" and flow.fingerprint() != cache.fingerprint()
    assert flow.gather([flow.clip_ids[0]], np.array([[3]])).shape == (1, 1, 16, 16, 2)


@pytest.mark.parametrize(("wanted", "given"), [("flow", "rgb"), ("rgb", "flow"), ("gradient", "flow")])
def test_frames_of_another_modality_are_refused(
    world: World, flow: FrameCache, tmp_path: Path, wanted: Modality, given: Modality
) -> None:
    source = flow if given == "flow" else world[0]
    with pytest.raises(GymQAError, match=naming(source.folder, given)):
        source_of(wanted, source.folder)
    config = replace(CONFIG, model=replace(MODEL, modality=wanted))
    with pytest.raises(GymQAError, match=naming(source.folder, given)):
        train(config, source, world[1], tmp_path)
    with pytest.raises(GymQAError, match=naming(source.folder, given)):
        predict(config.model.build(), source, world[1].val)


def test_an_unknown_modality_is_refused() -> None:
    with pytest.raises(GymQAError, match=naming("'sound'")):
        channels("sound")  # type: ignore[arg-type]


def test_flow_kept_as_jpeg_pictures_comes_back() -> None:
    settings = CacheSettings(16, 4, "jpeg", "flow", "dis")
    frames = np.stack([np.full((3, 16, 16), 90), np.full((3, 16, 16), 170)], -1).astype(np.uint8)
    packed = pack(frames, settings)
    data = np.frombuffer(packed, np.uint8)
    found = stored_frames(data, settings).take([IndexEntry("a", 0, len(packed), 3)], np.array([[2, 0]]))
    assert found.shape == (1, 2, 16, 16, 2) and np.abs(found[0].astype(int) - [90, 170]).max() <= 2


def test_a_mirror_turns_x_about_and_leaves_y() -> None:
    frames = noise(2, 3, 8, 8, 2)
    seen = mirrored(frames, "flow")
    assert (seen[..., 0] == 255 - frames[:, :, :, ::-1, 0]).all() and (seen[..., 1] == frames[:, :, :, ::-1, 1]).all()
    assert (mirrored(noise(1, 8, 8, 3), "gradient") == noise(1, 8, 8, 3)[:, :, ::-1]).all()


def test_a_mirrored_weak_view_of_flow_is_the_view_of_the_mirrored_clip() -> None:
    frames, rng = noise(4, 3, 8, 8, 2), torch.Generator().manual_seed(0)
    found = weak_view(torch.from_numpy(frames), 8, replace(STILL, flip=1), rng, "flow")
    torch.testing.assert_close(found, to_model(torch.from_numpy(mirrored(frames, "flow")), 8), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y"])
@pytest.mark.parametrize("strength", [-0.9, 0.6])
def test_a_turned_view_of_flow_has_the_flow_that_is_computed_of_turned_frames(name: str, strength: float) -> None:
    rng = np.random.default_rng(0)
    spots = cv2.GaussianBlur(rng.normal(size=(96, 96)), (0, 0), 2)
    grey = ((spots - spots.min()) / (spots.max() - spots.min()) * 255).astype(np.uint8)
    frames = np.repeat(np.stack([grey[16:80, 16:80], grey[16:80, 13:77]])[..., None], 3, -1)  # 3 pixels to the right
    drawn = {one: torch.tensor([strength if one == name else 0.0]) for one in OPERATIONS}
    turn = _geometry(drawn)
    shown = _sample(torch.from_numpy(frames)[None], turn, 64)[0].permute(0, 2, 3, 1)
    wanted = flow_fields(((shown + 1) * 127.5).round().byte().numpy(), "dis")[0, 24:40, 24:40]
    flow = torch.from_numpy(to_bytes(flow_fields(frames, "dis")))[None]
    found = rotate_flow(_sample(flow, turn, 64), turn[:, :2, :2], "flow")[0, 0, :, 24:40, 24:40] * LIMIT
    assert found.mean((1, 2)).tolist() == pytest.approx(wanted.mean((0, 1)).tolist(), abs=0.25)
    assert name == "shear_x" or abs(wanted[..., 1].mean()) > 0.5  # 0.25 would tell a vector that was not turned


@pytest.mark.parametrize("modality", ["flow", "gradient"])
def test_strong_views_change_geometry_only_where_there_are_no_colours(modality: Modality) -> None:
    frames = torch.full((16, 2, 8, 8, channels(modality)), 200, dtype=torch.uint8)
    config = replace(STILL, operations=9, channel_dropout=0.9)
    seen = strong_view(frames, 8, config, (2,), "none", torch.Generator().manual_seed(0), modality)
    if modality == "gradient":
        shown = 200 * 2 / 255 - 1  # and nothing beyond the picture's edge
        assert seen.min() >= 0 and seen.max() <= shown + 1e-5 and (seen > shown - 1e-5).float().mean() > 0.25
    assert seen.shape == (16, 2, channels(modality), 8, 8)
    coloured = strong_view(frames[..., :1].expand(-1, -1, -1, -1, 3), 8, config, (2,), "none", torch.Generator())
    assert coloured.unique().numel() > 4  # the colours' operations are there, and were not drawn for nothing


@pytest.mark.slow
@pytest.mark.parametrize("config", SIZES, ids=lambda one: f"{one.family}-{getattr(one, 'architecture', '')}")
def test_every_network_sees_flow_with_a_gradient_to_each_parameter(config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = replace(config, modality="flow").build()
    frames = torch.randn(2, config.frames, 2, config.image_size, config.image_size)
    logits = model(frames)
    assert logits.shape == (2, 5)
    logits.square().sum().backward()
    without = [name for name, one in model.named_parameters() if one.requires_grad and one.grad is None]
    assert not without
    colours, flow = (sum(one.numel() for one in net.parameters()) for net in (config.build(), model))
    assert flow < colours


def test_stacked_frames_follow_one_another_and_become_channels() -> None:
    config = TSNConfig(segments=3, stack=5, modality="flow", **SMALL)  # type: ignore[arg-type]
    assert (config.frames, config.in_channels, config.tokens) == (15, 10, 3)
    assert config.sample(19).reshape(3, 5).tolist() == [[2, 3, 4, 5, 6], [7, 8, 9, 10, 11], [12, 13, 14, 15, 16]]
    assert config.sample(3).max() == 2  # a short clip repeats its last frame
    model = config.build().eval()
    frames = torch.randn(1, 15, 2, 32, 32)
    one = replace(config, segments=1).build().eval()
    one.load_state_dict(model.state_dict())
    parts = torch.stack([one(frames[:, start : start + 5]) for start in (0, 5, 10)])
    torch.testing.assert_close(model(frames), parts.mean(0), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(model(frames), model(frames.flip(1)), atol=1e-5)


@pytest.mark.parametrize("modality", ["flow", "gradient"])
def test_a_recognizer_of_another_modality_trains_predicts_loads_and_serves_as_an_encoder(
    world: World, flow: FrameCache, tmp_path: Path, modality: Modality
) -> None:
    cache, splits = world
    source = source_of(modality, flow.folder if modality == "flow" else cache.folder)
    config = replace(CONFIG, model=replace(MODEL, modality=modality), algorithm=SEFAR, steps=3, warm_up_steps=1)
    out = train(config, source, splits, tmp_path / "model")
    loaded = load_recognizer(out)
    assert loaded.config.modality == modality
    assert len(predict(loaded, source, splits.val)) == len(splits.val)
    ids = [clip.id for clip in splits.val]
    assert len(extract(SeFAREncoder(out), source, ids, tmp_path / "features", views=2)) == 2 * len(ids)
    with pytest.raises(GymQAError, match=naming("flow", "gradient" if modality == "gradient" else "rgb")):
        extract(SeFAREncoder(out), flow if modality == "gradient" else cache, ids, tmp_path / "others")


@pytest.mark.parametrize("modality", ["flow", "gradient"])
def test_weights_trained_on_colours_are_not_taken_up_silently(
    world: World, flow: FrameCache, tmp_path: Path, modality: Modality
) -> None:
    source = source_of(modality, flow.folder if modality == "flow" else world[0].folder)
    config = replace(CONFIG, model=replace(MODEL, modality=modality), initial="shipped")
    with pytest.raises(GymQAError, match=naming("shipped", "rgb", modality)):
        train(config, source, world[1], tmp_path / "model")


def test_asking_about_one_video_needs_an_encoder_of_colours(tmp_path: Path) -> None:
    replace(MODEL, modality="gradient").build().save_pretrained(tmp_path / "model")
    unused: Any = None
    tuned = TunedFolder(tmp_path, {}, 16, 16, unused)
    with pytest.raises(GymQAError, match=naming("gradient", "gymqa ask", "--encoder")):
        answer_video(unused, noise(4, 16, 16, 3), tuned, str(tmp_path / "model"), "", "letters")


def test_a_saved_model_that_does_not_say_sees_colours_and_old_runs_go_on(tmp_path: Path) -> None:
    MODEL.build().save_pretrained(tmp_path)
    values = json.loads((tmp_path / "config.json").read_text())
    assert values.pop("modality") == "rgb"
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert load_recognizer(tmp_path).config == MODEL
    assert "modality" not in CONFIG.determines["model"]
    assert replace(CONFIG, model=replace(MODEL, modality="flow")).determines["model"]["modality"] == "flow"


@pytest.mark.parametrize("model", [TSNConfig(), I3DConfig()], ids=lambda one: one.family)
def test_runs_begun_before_a_model_had_pixels_go_on(model: ModelConfig) -> None:
    config = replace(CONFIG, model=model, initial="none")
    before = asdict(model).keys() - {"modality", "stack", "pixels"}
    assert config.determines["model"].keys() == before
    other: Any = {"pixels": "kinetics"}
    assert replace(config, model=replace(model, **other)).determines["model"]["pixels"] == "kinetics"


def test_every_registered_recognizer_can_be_asked_for_flow() -> None:
    for name in (one for one in list_models() if model_config(one).modality == "rgb"):
        assert model_config(name, modality="flow").channels == 2
