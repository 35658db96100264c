"""ActionVLAD: its sums by hand, its centres, its two steps; frames in any order are the same clip."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.finegym.splits import Splits
from gymqa.frames.cache import FrameCache
from recognizers.backbones.action_vlad import ActionVLAD, ActionVLADConfig, vlad
from recognizers.backbones.tsn import TSNConfig
from recognizers.config import TrainConfig
from recognizers.factory import create_model, load_recognizer
from recognizers.ssl.algorithms import SEFAR, SUPERVISED, TCLR
from recognizers.training.clips import training_clips
from recognizers.training.optimization import freeze_batch_norm, frozen_parameters
from recognizers.training.setup import build_student, prepare
from recognizers.training.train import train
from tests.helpers.naming import naming
from tests.helpers.training_world import CONFIG, World, same, stopped_at

SMALL = ActionVLADConfig(image_size=64, width=4, architecture="resnet18", segments=3, clusters=4, n_classes=5)


def built(config: ActionVLADConfig = SMALL) -> ActionVLAD:
    torch.manual_seed(0)
    model = config.build().eval()
    assert isinstance(model, ActionVLAD)
    return model


def clips(n: int = 2, config: ActionVLADConfig = SMALL) -> Tensor:
    side = config.image_size
    return torch.randn(n, config.frames, 3, side, side, generator=torch.Generator().manual_seed(1))


def by_hand(features: NDArray[np.float64], centres: NDArray[np.float64], sharpness: float) -> NDArray[np.float64]:
    """The paper's equations, one place and one centre at a time: [M, D], [K, D] -> [K · D]."""
    sums = np.zeros_like(centres)
    for x in features:
        distances = np.array([((x - c) ** 2).sum() for c in centres])
        weights = np.exp(-sharpness * (distances - distances.min()))
        for k, c in enumerate(centres):
            sums[k] += weights[k] / weights.sum() * (x - c)
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    whole: NDArray[np.float64] = sums.ravel() / np.linalg.norm(sums)
    return whole


@pytest.mark.parametrize("sharpness", [1.0, 30.0, 1000.0])
def test_vlad_is_the_papers_equation(sharpness: float) -> None:
    rng = np.random.default_rng(0)
    features, centres = rng.normal(size=(2, 12, 6)), rng.normal(size=(3, 6))
    found = vlad(torch.from_numpy(features), torch.from_numpy(centres), sharpness)
    expected = np.stack([by_hand(one, centres, sharpness) for one in features])
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_a_very_sharp_assignment_is_classic_vlad() -> None:
    features, centres = torch.tensor([[[0.1, 0.0], [0.0, 0.2], [1.0, 0.7]]]), torch.tensor([[0.0, 0.0], [1.0, 1.0]])
    found = vlad(features, centres, 1000.0)
    first, second = F.normalize(torch.tensor([0.1, 0.2]), dim=0), torch.tensor([0.0, -1.0])
    torch.testing.assert_close(found[0], torch.cat([first, second]) / 2**0.5)


def test_neither_frames_nor_places_have_an_order() -> None:
    model, frames = built(), clips()
    torch.testing.assert_close(model(frames), model(frames[:, [2, 0, 1]]), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(model(frames), model(frames + 0.5 * clips(3)[1:]), atol=1e-3)


def test_a_clip_is_as_many_sums_as_centres_of_length_one() -> None:
    features = built(replace(SMALL, sharpness=1.0)).forward_features(clips())
    assert features.tokens.shape == (2, 3, 32) and features.fused.shape == (2, 4 * 32)
    torch.testing.assert_close(features.fused.norm(dim=1), torch.ones(2))


def test_bf16_does_not_touch_the_assignment() -> None:
    model, frames = built(), clips()
    with torch.autocast("cpu", torch.bfloat16):
        assert model.forward_features(frames).fused.dtype == torch.float32


def test_its_parameters_are_the_networks_the_centres_and_the_heads() -> None:
    with torch.device("meta"):
        tsn, own = (create_model(name, n_classes=99) for name in ("tsn_bn_inception", "actionvlad_bn_inception"))
    count = {model: sum(one.numel() for one in model.parameters()) for model in (tsn, own)}
    assert count[own] - count[tsn] == 64 * 1024 + (64 - 1) * 1024 * 99


def spread(places: NDArray[np.float64], centres: NDArray[np.float64]) -> float:
    """Mean squared distance of the places to their nearest centres."""
    return float(((places[:, None] - centres) ** 2).sum(-1).min(1).mean())


def moved(places: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each centre at the mean of the places nearest to it (Lloyd)."""
    nearest = ((places[:, None] - centres) ** 2).sum(-1).argmin(1)
    return np.stack([places[nearest == k].mean(0) for k in range(len(centres))])


def test_k_means_puts_the_centres_where_the_features_are() -> None:
    model, again = built(), built()
    fresh, frames = model.centres.detach().double().numpy(), clips(8)
    for one in (model, again):
        one.prepare(frames.split(2), seed=0)
    assert torch.equal(model.centres, again.centres)
    maps = model.forward_maps(frames).detach().double()
    places = F.normalize(maps.movedim(2, -1).flatten(0, 3), dim=-1).numpy()
    found = model.centres.detach().double().numpy()
    best = found
    for _ in range(20):
        best = moved(places, best)
    assert spread(places, found) < 0.5 * spread(places, fresh)
    assert spread(places, found) < 1.1 * spread(places, best)


def test_the_centres_lie_where_the_training_sees_features() -> None:
    model, frames = built(), 0.3 * clips(8) + 1.0
    model.prepare(frames.split(4), seed=0)
    centres = model.centres.detach().double().numpy()
    found = []
    for mode in (False, True):
        maps = model.train(mode).forward_maps(frames).detach().double()
        found.append(spread(F.normalize(maps.movedim(2, -1).flatten(0, 3), dim=-1).numpy(), centres))
    assert found[1] < 1.5 * found[0]


def test_loaded_centres_stay(tmp_path: Path) -> None:
    built().save_pretrained(tmp_path / "own")
    TSNConfig(image_size=64, width=4, n_classes=5).build().save_pretrained(tmp_path / "tsn")
    own, other = built(), built()
    with torch.no_grad():
        own.centres.zero_()
    said, of_tsn = own.start_from(str(tmp_path / "own")), other.start_from(str(tmp_path / "tsn"))
    before = {name: tensor.clone() for name, tensor in own.state_dict().items()}
    for model in (own, other):
        model.prepare(clips(8).split(4), seed=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in own.state_dict().items())
    assert not torch.equal(other.centres, own.centres), "another family has no centres"
    assert "the loaded centres stay, without k-means" in str(said) and "centres" not in str(of_tsn)


def test_more_centres_than_places_are_refused() -> None:
    with pytest.raises(GymQAError, match=naming(50, 24, "clusters")):
        built(replace(SMALL, clusters=50)).prepare([clips()], seed=0)


TINY = replace(SMALL, image_size=16, clusters=3, n_classes=2, segments=4)


def learnt(config: TrainConfig, cache: FrameCache, splits: Splits, out: Path) -> set[str]:
    """Names of the tensors that a training changes, batch norm's counts among them."""
    before = build_student(config, say=False)
    prepare(before, config, training_clips(config, cache, splits))
    after = load_file(train(config, cache, splits, out) / "model.safetensors")
    return {name for name, tensor in before.state_dict().items() if not torch.equal(tensor, after[name])}


@pytest.mark.slow
def test_at_first_nothing_but_the_head_learns(world: World, tmp_path: Path) -> None:
    config = replace(CONFIG, algorithm=SUPERVISED, warm_up_steps=0, final="student", steps=4, learning_rate=1e-2)
    own = replace(config, model=replace(TINY, head_first=0.99))
    assert learnt(own, *world, tmp_path / "head") == {"head.weight", "head.bias"}
    everything = learnt(replace(config, model=replace(TINY, head_first=0.5)), *world, tmp_path / "all")
    assert {"centres", "backbone.conv1.weight", "backbone.bn1.running_mean"} <= everything


def test_a_pre_training_moves_the_network_and_the_head_alone_learns_after_it() -> None:
    model = built(replace(TINY, head_first=0.5))
    config = replace(CONFIG, model=model.config, algorithm=replace(TCLR, pretraining=0.4), steps=10, warm_up_steps=0)
    free = [not frozen_parameters(model, config, step) for step in range(10)]
    assert free == [True] * 4 + [False] * 3 + [True] * 3
    freeze_batch_norm(model.train(), config, 3)
    assert all(module.training for module in model.modules())
    freeze_batch_norm(model, config, 4)
    assert not model.get_submodule("backbone.bn1").training and model.backbone.training
    whole = replace(config, algorithm=replace(TCLR, pretraining=1.0))
    assert not any(frozen_parameters(model, whole, step) for step in range(10))


@pytest.mark.slow
@pytest.mark.parametrize(("stop", "optimizer"), [(1, "adamw"), (3, "sgd")])
def test_a_stopped_training_goes_on_bit_for_bit(world: World, tmp_path: Path, stop: int, optimizer: str) -> None:
    cache, splits = world
    model = ActionVLADConfig(image_size=16, width=4, architecture="resnet18", clusters=3, segments=4, n_classes=2)
    config = replace(CONFIG, model=model, algorithm=SEFAR, steps=4, warm_up_steps=1, checkpoint_every=1,
                     optimizer=optimizer)  # type: ignore[arg-type]  # fmt: skip
    train(config, cache, splits, tmp_path / "whole")
    with stopped_at(stop):
        train(config, cache, splits, tmp_path / "halved")
    train(config, cache, splits, tmp_path / "halved")
    assert same(tmp_path / "whole", tmp_path / "halved")
    assert load_recognizer(tmp_path / "halved").config == model


def test_impossible_sizes_are_refused() -> None:
    for changes in ({"clusters": 0}, {"sharpness": 0.0}, {"head_first": 1.0}):
        with pytest.raises(GymQAError, match=naming(*changes)):
            replace(SMALL, **changes)
