"""Inflated networks: a boring video gives the picture's features, time is seen."""

import numpy as np
import pytest
import torch
from torch import nn

from gymqa.errors import GymQAError
from gymqa.frames.sampling import dense
from recognizers.backbones.c3d import C3DConfig
from recognizers.backbones.clip_net import ClipNetConfig
from recognizers.backbones.i3d import I3DConfig, NonLocal, inception_inflation, resnet_inflation
from recognizers.backbones.image.inception_v1 import InceptionV1
from recognizers.backbones.image.inflation import Rule, TimeKernel, inflate
from recognizers.backbones.image.resnet import ResNet
from recognizers.backbones.resnet3d import ResNet3DConfig, SpatialThenTemporal, r3d_inflation
from recognizers.backbones.slowfast import SlowFastConfig, fast_inflation, slow_inflation
from tests.helpers.naming import naming
from tests.helpers.published_networks import built, clip, trained

CONFIGS = [
    I3DConfig(image_size=64, n_frames=8, width=8, n_classes=5),
    I3DConfig(image_size=32, n_frames=4, width=4, architecture="resnet50", n_classes=5),
    I3DConfig(image_size=32, n_frames=4, width=4, architecture="resnet50", non_local=True, n_classes=5),
    ResNet3DConfig(image_size=32, n_frames=8, width=4, n_classes=5),
    ResNet3DConfig(image_size=32, n_frames=8, width=4, factorised=True, n_classes=5),
    ResNet3DConfig(image_size=32, n_frames=9, width=4, architecture="resnet34", factorised=True, n_classes=5),
    C3DConfig(image_size=32, n_frames=8, width=4, wide=16, n_classes=5),
    SlowFastConfig(image_size=32, n_frames=8, width=32, n_classes=5),  # its fast pathway has an eighth of them
]
NAMES = ["inception", "r50", "non-local", "r3d", "r2plus1d", "r2plus1d-34", "c3d", "slowfast"]


@pytest.mark.parametrize(
    ("network", "rule"),
    [
        (InceptionV1(8), inception_inflation),
        (ResNet("resnet50", 8), resnet_inflation),
        (ResNet("resnet18", 8), r3d_inflation),
        (ResNet("resnet50", 8), slow_inflation),
        (ResNet("resnet50", 8), fast_inflation),
        (ResNet("resnet18", 8), lambda name, module: TimeKernel(3)),
        (ResNet("resnet18", 8), lambda name, module: TimeKernel(4, 2 if name == "layer2.0.conv1" else 1)),
    ],
    ids=["inception", "resnet50", "r3d", "slow", "fast", "odd", "even"],
)
@torch.no_grad()
def test_a_boring_video_gives_the_features_of_its_picture(network: nn.Module, rule: Rule) -> None:
    if rule("conv1", nn.Conv2d(1, 1, 1)).size == 4:
        rule = _also_shortcut(rule)
    torch.manual_seed(0)
    flat, picture = trained(network), torch.randn(2, 3, 64, 64)
    found = inflate(flat, rule).eval()(picture.unsqueeze(2).expand(-1, -1, 8, -1, -1))
    expected = flat(picture)
    difference = (found - expected.unsqueeze(2)).abs().max() / expected.abs().max()
    assert difference < 1e-5 and expected.std() > 0.01


def _also_shortcut(rule: Rule) -> Rule:
    """The shortcut of a block keeps step with its branch."""
    return lambda name, module: TimeKernel(1, 2) if name == "layer2.0.downsample.0" else rule(name, module)


@pytest.mark.slow
@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_shapes_and_that_time_is_seen(config: ClipNetConfig) -> None:
    model, frames = built(config), clip(config)
    assert model.forward_features(frames).tokens.shape[:2] == (2, config.tokens)
    exchanged = [1, 0, *range(2, config.frames)]
    exact = built(config).double()
    assert not torch.allclose(exact(frames.double()), exact(frames[:, exchanged].double()), rtol=1e-9, atol=1e-9)


def test_a_non_local_block_begins_as_nothing_and_is_attention_by_hand() -> None:
    torch.manual_seed(0)
    block, x = NonLocal(6).eval(), torch.randn(1, 6, 2, 4, 4)
    assert torch.equal(block(x), x)
    nn.init.ones_(block.norm.weight)
    asked = block.theta(x)[0].flatten(1)  # [3, 32]
    assert block.phi.bias is not None and block.g.bias is not None and block.out.bias is not None
    seen = torch.stack([x[0, :, t, i : i + 2, j : j + 2].amax((1, 2)) for t in (0, 1) for i in (0, 2) for j in (0, 2)])
    keys = seen @ block.phi.weight.view(3, 6).T + block.phi.bias  # [8, 3]
    values = seen @ block.g.weight.view(3, 6).T + block.g.bias
    found = (asked.T @ keys.T).softmax(-1) @ values  # [32, 3]
    moved = found @ block.out.weight.view(6, 3).T + block.out.bias
    expected = x + (moved / (1 + block.norm.eps) ** 0.5).T.view(1, 6, 2, 4, 4)
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)


def test_clips_get_through_a_fresh_c3d_though_it_has_no_batch_norm() -> None:
    torch.manual_seed(0)
    model = C3DConfig(image_size=32, n_frames=8, width=8, wide=64, n_classes=5).build().eval()
    clips = torch.rand(8, *model.config.input_shape) * 2 - 1
    fused = model.forward_features(clips).fused
    assert fused.std() > 0.1
    assert (fused - fused.mean(0)).std() > 0.05 * fused.std()


def test_picture_then_time_has_as_many_weights_as_both_at_once() -> None:
    whole = nn.Conv3d(64, 128, 3, bias=False)
    parted = SpatialThenTemporal(whole)
    weights = parted.picture.weight.numel() + parted.time.weight.numel()
    assert weights == pytest.approx(whole.weight.numel(), rel=0.01)
    assert parted.picture.out_channels == 230  # torchvision's for 64 to 128 channels


def test_the_fast_pathway_tells_the_slow_one() -> None:
    config = SlowFastConfig(image_size=32, n_frames=8, alpha=4, width=8, n_classes=5)
    model, frames = built(config), clip(config)
    changed = frames.clone()
    changed[:, 1] += 1  # a frame that the slow pathway does not see: it sees 0 and 4
    slow_width = 32 * config.width
    before, after = model.forward_features(frames), model.forward_features(changed)
    assert not torch.allclose(before.fused[:, :slow_width], after.fused[:, :slow_width])


def test_dense_frames_stand_in_a_row() -> None:
    assert dense(20, 4, 2).tolist() == [7, 9, 11, 13]
    assert dense(5, 4, 2).tolist() == [0, 2, 4, 4]  # too short: the last frame again
    drawn = {tuple(dense(10, 4, 2, np.random.default_rng(seed)).tolist()) for seed in range(200)}
    assert drawn == {(start, start + 2, start + 4, start + 6) for start in range(4)}


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming("non_local", "resnet50")):
        I3DConfig(non_local=True)
    with pytest.raises(GymQAError, match=naming("stride=-1")):
        I3DConfig(stride=-1)
