"""Published networks by their publishers' names: outputs are theirs, and what is of another architecture is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.action_vlad import ActionVLADConfig
from recognizers.backbones.c3d import C3DConfig
from recognizers.backbones.clip_net import ClipNetConfig
from recognizers.backbones.conv_lstm import FrameLSTMConfig
from recognizers.backbones.frame_net import FrameNetConfig
from recognizers.backbones.i3d import I3DConfig, inception_inflation
from recognizers.backbones.image.bn_inception import BNInception
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.inflation import inflate
from recognizers.backbones.image.resnet import ResNet
from recognizers.backbones.resnet3d import ResNet3DConfig
from recognizers.backbones.slowfast import SlowFastConfig
from recognizers.backbones.trn import TRNConfig
from recognizers.backbones.tsm import TSMConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.factory import load_recognizer
from recognizers.ssl.algorithms import SUPERVISED
from recognizers.training.train import train
from tests.helpers import published_names
from tests.helpers.naming import does_name, naming
from tests.helpers.published_networks import (
    R18,
    R50,
    WIDTH,
    clip,
    of_publisher,
    of_pyslowfast,
    renamed,
    resnet,
    saved,
    started,
    trained,
)
from tests.helpers.training_world import CONFIG, World


def test_the_names_are_as_many_as_in_the_published_files() -> None:
    assert len(published_names.torchvision_resnet((2, 2, 2, 2), False)) == 122
    assert len(published_names.torchvision_resnet((3, 4, 6, 3), True)) == 320
    assert len(published_names.i3d_port()) == 344
    assert len(published_names.pyslowfast_i3d_r50()) == 320
    with torch.device("meta"):
        ours = ResNet("resnet50").state_dict(), BNInception().state_dict(), InceptionV1().state_dict()
    assert set(published_names.torchvision_resnet((3, 4, 6, 3), True)) - {"fc.weight", "fc.bias"} == set(ours[0])
    without_counts = {name for name in ours[1] if "num_batches" not in name}
    assert set(published_names.bn_inception()) - {"last_linear.weight", "last_linear.bias"} == without_counts
    assert {name.replace("conv3d", "conv") for name in published_names.i3d_port()[:-2]} == set(ours[2])


@pytest.mark.parametrize("file", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize(
    "config",
    [
        TSNConfig(image_size=64, architecture="resnet18", width=WIDTH),
        TSMConfig(image_size=64, architecture="resnet50", segments=2, width=WIDTH),
        TRNConfig(image_size=64, architecture="resnet50", segments=2, width=WIDTH),
        ActionVLADConfig(image_size=64, architecture="resnet18", segments=2, clusters=2, width=WIDTH),
        FrameLSTMConfig(image_size=64, architecture="resnet18", segments=2, width=WIDTH),
    ],
    ids=lambda one: one.family if isinstance(one, FrameNetConfig) else one,
)
def test_a_torchvision_resnet_sees_in_a_recognizer_what_it_sees_by_itself(
    config: FrameNetConfig, file: str, tmp_path: Path
) -> None:
    network, tensors = resnet(*(R18 if config.architecture == "resnet18" else R50))
    model, said = started(config, saved(tmp_path, tensors, file))
    assert "2 of the checkpoint left out (fc.bias, fc.weight)" in said and "0 fresh" in said
    if isinstance(config, TSMConfig):  # it shifts: the weights are what is compared
        assert all(torch.equal(one, tensors[name]) for name, one in model.backbone.state_dict().items())  # type: ignore[union-attr, operator]
        return
    frames = clip(config)
    expected = network(of_publisher(frames, "imagenet").flatten(0, 1))
    torch.testing.assert_close(model.forward_maps(frames).flatten(0, 1), expected, rtol=1e-4, atol=1e-5)  # type: ignore[operator]


def test_older_files_count_no_batches_and_may_be_wrapped(tmp_path: Path) -> None:
    network, tensors = resnet(*R18)
    old = {f"module.{name}": one for name, one in tensors.items() if "num_batches" not in name}
    model, _ = started(TSNConfig(image_size=64, width=WIDTH), saved(tmp_path, {"state_dict": old}))  # type: ignore[dict-item]
    found = model.backbone.state_dict()  # type: ignore[union-attr, operator]
    assert all(torch.equal(found[name], one) for name, one in network.state_dict().items() if "num_" not in name)


def test_caffes_bn_inception_sees_blue_first_and_pixels_to_255(tmp_path: Path) -> None:
    network = trained(BNInception(WIDTH))
    tensors = renamed(network, published_names.bn_inception(), counted=False)
    tensors |= {name: one.view(1, -1) for name, one in tensors.items() if "_bn." in name}  # TSN's file has them so
    model, _ = started(TSNConfig(image_size=64, architecture="bn_inception", width=WIDTH), saved(tmp_path, tensors))
    frames = clip(model.config)  # type: ignore[arg-type]
    pixels = (frames + 1) / 2 * 255
    blue_first = (pixels - torch.tensor([128.0, 117.0, 104.0]).view(3, 1, 1)).flip(2)
    expected = network(blue_first.flatten(0, 1))
    found = model.forward_maps(frames).flatten(0, 1)  # type: ignore[operator]
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("family", ["lstm", "i3d"])
def test_torchvisions_googlenet_is_inception_v1(family: str, tmp_path: Path) -> None:
    network = trained(InceptionV1(WIDTH))
    path = saved(tmp_path, renamed(network, published_names.googlenet()) | _aux())
    config: FrameNetConfig | ClipNetConfig = (
        FrameLSTMConfig(image_size=64, segments=2, width=WIDTH)
        if family == "lstm"
        else I3DConfig(image_size=64, n_frames=8, width=WIDTH)
    )
    model, _ = started(config, path)
    picture = clip(config)[:, :1].expand(-1, config.frames, -1, -1, -1)
    expected = network(picture[:, 0]).mean((2, 3))
    features = model.forward_frames(picture)[:, 0] if family == "lstm" else model.forward_features(picture).fused  # type: ignore[operator]
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5)


def _aux() -> dict[str, Tensor]:
    return {name: torch.zeros(2) for name in published_names.googlenet() if name.startswith("aux")}


@pytest.mark.slow
def test_the_i3d_ports_checkpoint_is_i3d(tmp_path: Path) -> None:
    network = trained(inflate(InceptionV1(WIDTH), inception_inflation))
    tensors = renamed(network, published_names.i3d_port())
    config = I3DConfig(image_size=64, n_frames=8, width=WIDTH)
    model, said = started(config, saved(tmp_path, tensors, "rgb_imagenet.pt"))
    assert "342 tensors loaded, 0 of them resized, 0 fresh" in said
    frames = clip(config)
    expected = network(frames.transpose(1, 2)).mean((2, 3, 4))
    torch.testing.assert_close(model.forward_features(frames).fused, expected)
    assert model.config == config


def test_pyslowfasts_i3d_is_i3d_on_resnet_50(tmp_path: Path) -> None:
    config = I3DConfig(image_size=32, n_frames=4, width=WIDTH, architecture="resnet50")
    torch.manual_seed(3)
    other = config.build()
    trained(other)
    own = other.backbone.state_dict()  # type: ignore[union-attr, operator]
    theirs = of_pyslowfast(own)
    model, said = started(config, saved(tmp_path, theirs))
    frames = clip(config)
    seen = of_publisher(frames, "kinetics")
    expected = other.eval().forward_features(seen).tokens
    torch.testing.assert_close(model.forward_features(frames).tokens, expected, rtol=1e-4, atol=1e-5)
    assert "318 tensors loaded" in said and model.config == replace(config, pixels="kinetics")


@pytest.mark.parametrize(
    ("config", "fresh"),
    [
        (I3DConfig(image_size=64, n_frames=4, width=WIDTH, architecture="resnet50"), 0),
        (I3DConfig(image_size=64, n_frames=4, width=WIDTH, architecture="resnet50", non_local=True), 5 * 13),
        (ResNet3DConfig(image_size=64, n_frames=8, width=WIDTH), 0),
    ],
    ids=["i3d", "non-local", "r3d"],
)
def test_an_image_network_is_inflated(config: ClipNetConfig, fresh: int, tmp_path: Path) -> None:
    network, tensors = resnet(*(R18 if isinstance(config, ResNet3DConfig) else R50))
    model, said = started(config, saved(tmp_path, tensors))
    assert f"{20 if isinstance(config, ResNet3DConfig) else 53} of them resized, {fresh} fresh" in said
    if isinstance(config, ResNet3DConfig):
        setattr(network, "maxpool", nn.Identity())  # noqa: B010  its type says otherwise
    picture = clip(config)[:, :1].expand(-1, config.frames, -1, -1, -1)
    expected = network(of_publisher(picture[:, 0], "imagenet")).mean((2, 3))
    found = model.forward_features(picture).fused  # a boring video gives the image network's output
    assert (found - expected).abs().max() / expected.abs().max() < 1e-5


def test_a_timm_folder_says_its_pixels(tmp_path: Path) -> None:
    network, tensors = resnet(*R18)
    saved(tmp_path, tensors, "model.safetensors")
    described = {"architecture": "resnet18", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}
    (tmp_path / "config.json").write_text(json.dumps(described))
    config = TSNConfig(image_size=64, width=WIDTH)
    model, _ = started(config, tmp_path)
    frames = clip(config)
    torch.testing.assert_close(model.forward_maps(frames).flatten(0, 1), network(frames.flatten(0, 1)))  # type: ignore[operator]
    described["pretrained_cfg"] = {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}
    (tmp_path / "config.json").write_text(json.dumps(described))
    with pytest.raises(GymQAError, match=naming([0.1, 0.2, 0.3])):
        started(config, tmp_path)


def test_a_recognizers_network_goes_into_another_family_and_keeps_its_pixels(tmp_path: Path) -> None:
    first = TSNConfig(image_size=64, width=WIDTH, pixels="imagenet").build()
    first.save_pretrained(tmp_path)
    model, said = started(TRNConfig(image_size=64, width=WIDTH, segments=2), tmp_path)
    ours, theirs = (one.backbone.state_dict() for one in (model, first))  # type: ignore[union-attr, operator]
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert getattr(model.config, "pixels", "") == "imagenet" and "head.weight" in said
    model.save_pretrained(tmp_path / "again")
    assert load_recognizer(tmp_path / "again").config == model.config


def test_a_recognizer_of_the_own_family_gives_all_but_its_head_and_its_pixels(tmp_path: Path) -> None:
    first = TRNConfig(image_size=64, width=WIDTH, segments=2, pixels="imagenet").build()
    first.save_pretrained(tmp_path)
    model, _ = started(TRNConfig(image_size=64, width=WIDTH, segments=2), tmp_path)
    frames = clip(model.config)  # type: ignore[arg-type]
    torch.testing.assert_close(model.forward_features(frames).fused, first.eval().forward_features(frames).fused)


def test_filters_of_colours_become_their_mean_for_flow(tmp_path: Path) -> None:
    _, tensors = resnet(*R18)
    path = saved(tmp_path, tensors)
    config = TSNConfig(image_size=64, width=WIDTH, modality="flow", stack=5)
    model, said = started(config, path)
    own = model.backbone.state_dict()["conv1.weight"]  # type: ignore[union-attr, operator]
    assert own.shape[1] == 10 and "1 of them resized (conv1.weight)" in said
    assert torch.equal(own, tensors["conv1.weight"].mean(1, keepdim=True).expand_as(own))
    assert model.config == config  # flow has no colours to normalise
    from recognizers.training.setup import build_student

    build_student(replace(CONFIG, model=config, initial=str(path)), say=False)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (TSNConfig(image_size=64, architecture="resnet50", width=WIDTH), ("layer1.0.conv1.weight",)),
        (TSNConfig(image_size=64, width=WIDTH + 8), ("conv1.weight", [8, 3, 7, 7], [16, 3, 7, 7])),
        (TSNConfig(image_size=64, architecture="bn_inception", width=WIDTH), ("conv1_7x7_s2.weight",)),
        (I3DConfig(image_size=64, width=WIDTH), ("Conv3d_1a_7x7.conv.weight",)),
        (ResNet3DConfig(image_size=64, width=WIDTH, factorised=True), ("factorised",)),
        (ResNet3DConfig(image_size=64, width=WIDTH, architecture="resnet34"), ("layer1.2.conv1.weight",)),
        (C3DConfig(image_size=32, width=WIDTH, wide=8), ("c3d",)),
        (SlowFastConfig(image_size=32, width=WIDTH), ("slowfast",)),
    ],
)
def test_another_architecture_is_refused(
    config: FrameNetConfig | ClipNetConfig, said: tuple[object, ...], tmp_path: Path
) -> None:
    path = saved(tmp_path, resnet(*R18)[1])
    with pytest.raises(GymQAError, match=naming(*said)):
        started(config, path)


def test_unknown_names_and_deeper_networks_are_refused(tmp_path: Path) -> None:
    config = TSNConfig(image_size=64, architecture="resnet50", width=WIDTH)
    _, tensors = resnet(*R50)
    deeper = saved(tmp_path, {**tensors, "layer3.6.conv1.weight": torch.zeros(2, 2, 1, 1)})
    with pytest.raises(GymQAError, match=naming("layer3.6.conv1.weight")):
        started(config, deeper)
    with pytest.raises(GymQAError, match=naming("features.0.weight")):
        started(config, saved(tmp_path, {"features.0.weight": torch.zeros(2)}))
    with pytest.raises(GymQAError, match=naming("nowhere.pth")):
        started(config, tmp_path / "nowhere.pth")


def test_shipped_weights_are_none_of_these_families_and_start_nothing() -> None:
    model = TSNConfig(image_size=32, width=4).build()
    assert model.start_from("shipped") is None
    assert model.config.start_hash("shipped") is None


def test_a_training_starts_from_published_weights(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache, splits = world
    source = saved(tmp_path, resnet(*R18)[1])
    model = TSNConfig(image_size=16, width=WIDTH, n_classes=2)
    config = replace(CONFIG, model=model, algorithm=SUPERVISED, steps=1, warm_up_steps=0, initial=str(source))
    out = train(config, cache, splits, tmp_path / "out")
    assert does_name(capsys.readouterr().err, 120)
    assert load_recognizer(out).config == replace(model, pixels="imagenet")
    torch.save(resnet(*R18)[1] | {"bn1.bias": torch.ones(WIDTH)}, source)  # the same name, other weights
    with pytest.raises(GymQAError, match=naming("initial_weights")):
        train(config, cache, splits, tmp_path / "out")
