"""TSN, TRN, TSM: parameters and poolings as published, and what makes each what it is."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from recognizers.backbones.frame_net import FrameNet, FrameNetConfig
from recognizers.backbones.image.bn_inception import BNInception
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.resnet import ResNet
from recognizers.backbones.trn import TRN, TRNConfig
from recognizers.backbones.tsm import TSMConfig, shift
from recognizers.backbones.tsn import TSNConfig
from recognizers.factory import create_model
from tests.helpers.naming import does_name, naming

SMALL = {"image_size": 32, "width": 4, "n_classes": 5}
CONFIGS: list[FrameNetConfig] = [
    *(TSNConfig(architecture=name, **SMALL) for name in ("resnet18", "resnet50", "bn_inception")),  # type: ignore[arg-type]
    TRNConfig(segments=4, frame_dim=6, relation_dim=8, **SMALL),  # type: ignore[arg-type]
    TRNConfig(segments=4, frame_dim=6, relation_dim=8, multi_scale=True, **SMALL),  # type: ignore[arg-type]
    TSMConfig(segments=4, shifted=4, architecture="resnet18", **SMALL),  # type: ignore[arg-type]
    TSMConfig(segments=4, shifted=4, causal=True, **SMALL),  # type: ignore[arg-type]
]


def built(config: FrameNetConfig) -> FrameNet:
    """A model in evaluation mode, the same every time."""
    torch.manual_seed(0)
    model = config.build().eval()
    assert isinstance(model, FrameNet)
    return model


def clips(config: FrameNetConfig, n: int = 2) -> Tensor:
    """Random frames [n, N, 3, S, S], the same every time."""
    return torch.randn(
        n, config.frames, 3, config.image_size, config.image_size, generator=torch.Generator().manual_seed(1)
    )


@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032), ("bn_inception", 11_295_240)],
)
def test_the_2d_networks_have_their_published_parameters(name: str, published: int) -> None:
    with torch.device("meta"):
        network = BNInception() if name == "bn_inception" else ResNet(name)
    classifier = 1000 * network.dim + 1000  # ImageNet's, which ours leave out
    assert sum(one.numel() for one in network.parameters()) + classifier == published


@pytest.mark.parametrize(
    ("name", "bottleneck", "frames_joined"), [("trn_bn_inception", 512, [3]), ("trn_ms_bn_inception", 256, [3, 2])]
)
def test_trn_has_the_releases_layers_on_its_frames(name: str, bottleneck: int, frames_joined: list[int]) -> None:
    with torch.device("meta"):
        found = sum(one.numel() for one in create_model(name).parameters())
    of_frames = 11_295_240 - (1024 * 1000 + 1000) + (1024 * 256 + 256)
    relations = [k * 256 * bottleneck + bottleneck + bottleneck * 99 for k in frames_joined]
    assert found == of_frames + sum(relations) + 99  # one bias of the classes; the release adds up one a scale


@pytest.mark.parametrize("size", [48, 64, 96, 224])
def test_inception_v1_pools_as_the_published_networks_do(size: int) -> None:
    torch.manual_seed(0)
    network, pictures = InceptionV1(8).eval(), torch.randn(1, 3, size, size)
    expected = pictures
    for name, layer in network.named_children():
        if name.startswith("MaxPool"):  # torchvision's GoogLeNet: rounded up, without padding
            expected = F.max_pool2d(expected, int(name[-1]), 2, ceil_mode=True)
        elif not name.startswith("Pad"):
            expected = layer(expected)
    torch.testing.assert_close(network(pictures), expected)
    assert expected.shape[-1] == -(-size // 32)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.family}-{config.architecture}")
def test_only_tsn_does_not_care_for_the_order_of_frames(config: FrameNetConfig) -> None:
    model, frames = built(config), clips(config)
    turned = model(frames.flip(1))
    assert torch.allclose(model(frames), turned, atol=1e-5) == isinstance(config, TSNConfig)


def test_the_consensus_is_the_mean_of_the_segments_scores() -> None:
    config = CONFIGS[0]
    model, frames = built(config), clips(config)
    one = built(replace(config, segments=1))
    scores = torch.stack([one(frames[:, place : place + 1]) for place in range(config.frames)])
    torch.testing.assert_close(model(frames), scores.mean(0), rtol=1e-4, atol=1e-5)


def test_relations_of_all_scales_by_hand() -> None:
    config = TRNConfig(segments=3, multi_scale=True, frame_dim=4, relation_dim=6, **SMALL)  # type: ignore[arg-type]
    model, frames = built(config), clips(config, 1)
    assert isinstance(model, TRN)
    of_frames = [model.frame(feature) for feature in model.forward_frames(frames)[0]]
    expected = model.head.bias.clone()
    for scale, layer, weight in zip((3, 2), model.relations, model.head.weight.split(6, 1), strict=True):
        for chosen in combinations(range(3), scale):  # 1 and 3 sets: no more than config.subsets, so that all are taken
            joined = torch.cat([of_frames[place] for place in chosen])
            expected = expected + weight @ F.relu(F.linear(F.relu(joined), layer.weight, layer.bias))  # type: ignore[arg-type]
    torch.testing.assert_close(model(frames)[0], expected, rtol=1e-4, atol=1e-5)


def test_a_shift_by_hand() -> None:
    x = torch.arange(2 * 3 * 4.0).view(6, 4, 1, 1) + 1  # two clips of three frames of four channels
    clip = shift(x, 3, 4)[:3].view(3, 4)
    assert clip.tolist() == [[5, 0, 3, 4], [9, 2, 7, 8], [0, 6, 11, 12]]  # channel 0 from the next, 1 from before
    assert shift(x, 3, 4, causal=True)[3:].view(3, 4).tolist() == [[0, 14, 15, 16], [13, 18, 19, 20], [17, 22, 23, 24]]


@pytest.mark.parametrize("causal", [False, True])
def test_a_causal_shift_does_not_look_ahead(causal: bool) -> None:
    model = built(TSMConfig(segments=4, shifted=4, causal=causal, **SMALL))  # type: ignore[arg-type]
    frames = clips(model.config, 1)  # type: ignore[arg-type]
    later = frames.clone()
    later[:, 3] += 1
    before, after = model.forward_features(frames).tokens, model.forward_features(later).tokens
    assert torch.equal(before[:, 0], after[:, 0]) == causal  # 8 blocks reach from the last frame to the first
    assert not torch.allclose(before[:, 3], after[:, 3])


def test_a_shift_costs_no_parameter() -> None:
    counts = [sum(one.numel() for one in built(config).parameters())
              for config in (TSNConfig(architecture="resnet50", **SMALL), TSMConfig(shifted=4, **SMALL))]  # type: ignore[arg-type]  # fmt: skip
    assert counts[0] == counts[1]


def test_an_unknown_family_is_refused_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", str(tmp_path), str(tmp_path), "--training.model", "Nope"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("gymqa: ") and does_name(said, "training.model", "'Nope'")


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("segments=1")):
        TRNConfig(segments=1)
    with pytest.raises(GymQAError, match=naming("1/4", 6, "width")):
        TSMConfig(width=6, shifted=4)
    with pytest.raises(GymQAError, match=naming("somewhere")):
        built(CONFIGS[0]).start_from("somewhere")
