"""Networks of two streams that start from published networks: one for both, or one each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.i3d import I3DConfig, inception_inflation
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.inflation import inflate
from recognizers.backbones.image_checkpoints import image_weights_hash
from recognizers.backbones.tsn import TSNConfig
from recognizers.backbones.two_stream import Fused3DConfig, TwoStreamConfig, TwoStreamI3DConfig
from recognizers.factory import load_recognizer
from recognizers.training.setup import build_student
from tests.helpers import published_names
from tests.helpers.naming import naming
from tests.helpers.published_networks import R18, WIDTH, clip, of_publisher, renamed, resnet, saved, started, trained
from tests.helpers.training_world import CONFIG

FRAMES = TwoStreamConfig(image_size=32, width=WIDTH, architecture="resnet18", segments=2, stack=3)
CLIPS = TwoStreamI3DConfig(image_size=32, n_frames=8, width=WIDTH)


def inception_in(channels: int, seed: int = 0) -> torch.nn.Module:
    """An I3D without a head."""
    torch.manual_seed(seed)
    return trained(inflate(InceptionV1(WIDTH, channels), inception_inflation), seed)


def i3d_files(folder: Path) -> tuple[list[torch.nn.Module], str]:
    """The port's two networks, and how they are named together."""
    networks = [inception_in(3), inception_in(2, 1)]
    files = [
        saved(folder, renamed(network, published_names.i3d_port()), name)
        for network, name in zip(networks, ("rgb_imagenet.pt", "flow_imagenet.pt"), strict=True)
    ]
    return networks, ",".join(map(str, files))


def parts(frames: Tensor) -> tuple[Tensor, Tensor]:
    return frames[:, :, :3], frames[:, :, 3:]


@pytest.mark.slow
def test_the_i3d_ports_two_files_are_the_two_streams(tmp_path: Path) -> None:
    networks, source = i3d_files(tmp_path)
    model, said = started(CLIPS, source)
    assert "rgb: 342 tensors loaded, 0 of them resized" in said and "flow: 342 tensors loaded, 0 of them" in said
    assert model.config == CLIPS
    frames = clip(CLIPS)
    each = zip(networks, parts(frames), strict=True)
    expected = [network(seen.transpose(1, 2)).mean((2, 3, 4)) for network, seen in each]
    torch.testing.assert_close(model.forward_features(frames).fused, torch.cat(expected, 1))
    built = build_student(replace(CONFIG, model=CLIPS, initial=source), say=False)
    deep = "flow.Mixed_3b.b0.conv.weight"
    assert torch.equal(built.get_parameter(deep), model.get_parameter(deep))


@pytest.mark.parametrize("config", [FRAMES, Fused3DConfig(**{**vars(FRAMES), "fused_dim": 4})], ids=["late", "fused"])
def test_one_image_network_is_both_streams_and_its_pixels_are_the_first_ones(
    config: TwoStreamConfig, tmp_path: Path
) -> None:
    network, tensors = resnet(*R18)
    path = saved(tmp_path, tensors)
    model: Any
    model, said = started(config, path)
    assert "rgb: 120 tensors loaded, 0 of them resized" in said
    assert "flow: 120 tensors loaded, 1 of them resized (conv1.weight)" in said
    mean = tensors["conv1.weight"].mean(1, keepdim=True)
    assert torch.equal(model.flow.conv1.weight, mean.expand(-1, 2 * config.stack, -1, -1))
    assert model.config == replace(config, pixels="imagenet")
    frames = clip(config)
    middle = of_publisher(frames[:, 1::3, :3], "imagenet").flatten(0, 1)
    torch.testing.assert_close(model.forward_maps(frames)[0], network(middle), rtol=1e-4, atol=1e-5)
    build_student(replace(CONFIG, model=config, initial=str(path)), say=False)


def test_a_saved_network_of_two_streams_loads_and_starts_another_with_its_pixels(tmp_path: Path) -> None:
    model, _ = started(FRAMES, saved(tmp_path, resnet(*R18)[1]))
    model.save_pretrained(tmp_path / "ours")
    again = load_recognizer(tmp_path / "ours")
    frames = clip(FRAMES)
    assert again.config == model.config and torch.equal(again(frames), model(frames))  # type: ignore[arg-type]
    other, _ = started(FRAMES, tmp_path / "ours")
    assert other.config == model.config
    assert torch.equal(other.forward_features(frames).fused, model.forward_features(frames).fused)
    build_student(replace(CONFIG, model=FRAMES, initial=str(tmp_path / "ours")), say=False)


@pytest.mark.slow
def test_an_image_network_is_inflated_into_both_i3ds(tmp_path: Path) -> None:
    network = trained(InceptionV1(WIDTH))
    names = published_names.googlenet()
    tensors = renamed(network, names) | {name: torch.zeros(2) for name in names if name.startswith("aux")}
    model, said = started(CLIPS, saved(tmp_path, tensors))
    assert said.count("342 tensors loaded, 57 of them resized, 0 fresh") == 2
    picture = clip(CLIPS)[:, :1].expand(-1, CLIPS.frames, -1, -1, -1)
    expected = network(picture[:, 0, :3]).mean((2, 3))
    found = model.forward_features(picture).fused[:, : expected.shape[1]]  # a boring video
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    first = network.get_parameter("Conv3d_1a_7x7.conv.weight").mean(1, keepdim=True).expand(-1, 2, -1, -1)
    in_time = model.get_parameter("flow.Conv3d_1a_7x7.conv.weight")
    torch.testing.assert_close(in_time, first.unsqueeze(2).expand_as(in_time) / 7)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["late", "i3d"])
def test_recognizers_trained_apart_become_the_streams_of_one(kind: str, tmp_path: Path) -> None:
    sizes: Any = {"image_size": 32, "width": WIDTH}
    apart: list[Any] = [
        I3DConfig(n_frames=8, pixels="kinetics", **sizes),
        I3DConfig(n_frames=8, modality="flow", **sizes),
    ]
    config: TwoStreamConfig | TwoStreamI3DConfig = CLIPS
    if kind == "late":
        config = replace(FRAMES, stack=1)
        apart = [TSNConfig(segments=2, pixels="imagenet", **sizes), TSNConfig(segments=2, modality="flow", **sizes)]
    models = []
    for seed, one in enumerate(apart):
        torch.manual_seed(seed)
        models.append(one.build().eval())
        models[-1].save_pretrained(tmp_path / one.modality)
    source = f"{tmp_path / 'rgb'}, {tmp_path / 'flow'}"
    model = build_student(replace(CONFIG, model=config, initial=source), say=False).eval()
    assert model.config == replace(config, pixels=apart[0].pixels)
    frames = clip(config)
    expected = [one.forward_features(seen).fused for one, seen in zip(models, parts(frames), strict=True)]
    torch.testing.assert_close(model.forward_features(frames).fused, torch.cat(expected, 1))


@pytest.mark.slow
def test_streams_take_what_they_see(tmp_path: Path) -> None:
    _, source = i3d_files(tmp_path)
    rgb, flow = source.split(",")
    with pytest.raises(GymQAError, match=naming("flow_imagenet.pt", [8, 2, 7, 7, 7])):
        started(CLIPS, f"{flow},{rgb}")
    with pytest.raises(GymQAError, match=naming("flow_imagenet.pt")):
        started(CLIPS, flow)
    TSNConfig(image_size=32, width=WIDTH, modality="flow").build().save_pretrained(tmp_path / "flow")
    with pytest.raises(GymQAError, match=naming(tmp_path / "flow", "flow", "rgb")):
        build_student(replace(CONFIG, model=FRAMES, initial=str(tmp_path / "flow")), say=False)


@pytest.mark.parametrize("source", ["{0},", ",{0}", "{0},{0},{0}", "shipped,{0}", "{0},none"])
def test_one_or_two_sources_are_named(source: str, tmp_path: Path) -> None:
    path = saved(tmp_path, resnet(*R18)[1])
    for ask in (lambda name: started(FRAMES, name), FRAMES.start_hash):
        with pytest.raises(GymQAError, match=naming(repr(source.format(path)), "rgb, flow")):
            ask(source.format(path))


def test_a_file_with_a_comma_in_its_name_is_one(tmp_path: Path) -> None:
    path = saved(tmp_path, resnet(*R18)[1], "a,b.pth")
    started(FRAMES, path)
    assert FRAMES.start_hash(str(path)) == image_weights_hash(path)


def test_the_hash_of_what_a_training_starts_from_is_of_both_files(tmp_path: Path) -> None:
    tensors = resnet(*R18)[1]
    first, second = saved(tmp_path, tensors, "1.pth"), saved(tmp_path, tensors, "2.pth")
    source = f"{first},{second}"
    before = FRAMES.start_hash(source)
    assert before == f"{image_weights_hash(first)},{image_weights_hash(second)}"
    saved(tmp_path, tensors | {"bn1.bias": torch.ones(WIDTH)}, "2.pth")
    assert FRAMES.start_hash(source) != before
    assert FRAMES.start_hash("shipped") is None and FRAMES.build().start_from("shipped") is None
    with pytest.raises(GymQAError, match=naming("3.pth")):
        FRAMES.start_hash(f"{first},{tmp_path / '3.pth'}")
