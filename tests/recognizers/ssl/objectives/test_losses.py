"""The losses of the self-supervised objectives and of the video baselines, worked out in NumPy at float64."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from recognizers.backbones.sefar import SeFAR
from recognizers.ssl.algorithms import Algorithm, algorithm_named
from recognizers.ssl.objectives.actor_cutmix import pasted_loss
from recognizers.ssl.objectives.appearance import distillation
from recognizers.ssl.objectives.base import Objective, make_objectives
from recognizers.ssl.objectives.composite import Selector, reinforce
from recognizers.ssl.objectives.contrast import info_nce, info_nce_within, nt_xent, nt_xent_within
from recognizers.ssl.objectives.memdpc import MemDPC
from recognizers.ssl.objectives.phases import phases_loss
from recognizers.ssl.objectives.tclr import TCLR
from recognizers.ssl.pseudo_label import PseudoLabels
from tests.helpers.objective_example import log_softmax, told
from tests.helpers.training_world import CONFIG, MODEL

Array = NDArray[np.float64]


def drawn(*shape: int, seed: int = 0, unit: bool = False) -> Tensor:
    x = torch.randn(*shape, generator=Generator().manual_seed(seed))
    return nn.functional.normalize(x, dim=-1) if unit else x


def softmax(x: Array) -> Array:
    return np.exp(log_softmax(x))


def picked(scores: Array, own: int) -> float:
    """The cross-entropy of one row."""
    return float(-log_softmax(scores)[own])


def pairs_told_apart(a: Array, b: Array, temperature: float) -> float:
    """NT-Xent, one row after another."""
    every, n = np.concatenate([a, b]), len(a)
    found = []
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        scores = np.array([every[i] @ every[j] for j in others]) / temperature
        found.append(picked(scores, others.index((i + n) % (2 * n))))
    return float(np.mean(found))


def moments_matched(a: Array, b: Array, temperature: float) -> float:
    """Cross-entropy of each moment's own, both ways, one clip after another."""
    found = []
    for one, other in [*zip(a, b, strict=True), *zip(b, a, strict=True)]:
        found += [picked(other @ one[i] / temperature, i) for i in range(len(one))]
    return float(np.mean(found))


def test_nt_xent_is_the_mean_cross_entropy_of_the_partners() -> None:
    a, b = drawn(5, 8, unit=True), drawn(5, 8, seed=1, unit=True)
    assert nt_xent(a, b, 0.1).item() == pytest.approx(pairs_told_apart(told(a), told(b), 0.1), rel=1e-5)


def test_nt_xent_within_looks_at_the_clips_own_moments_only() -> None:
    a, b = drawn(3, 4, 8, unit=True), drawn(3, 4, 8, seed=1, unit=True)
    each = [pairs_told_apart(one, other, 0.1) for one, other in zip(told(a), told(b), strict=True)]
    assert nt_xent_within(a, b, 0.1).item() == pytest.approx(np.mean(each), rel=1e-5)


def test_same_moment_is_the_mean_of_both_ways() -> None:
    a, b = drawn(3, 4, 8, unit=True), drawn(3, 4, 8, seed=1, unit=True)
    assert info_nce_within(a, b, 0.1).item() == pytest.approx(moments_matched(told(a), told(b), 0.1), rel=1e-5)


def test_own_among_all_is_the_cross_entropy_of_the_diagonal() -> None:
    a, b = drawn(6, 5), drawn(6, 5, seed=1)
    expected = np.mean([picked(told(b) @ told(a)[i], i) for i in range(6)])
    assert info_nce(a, b).item() == pytest.approx(expected, rel=1e-5)


def made(name: str) -> Any:
    """The objective of an algorithm of its own name, for the tiny SeFAR."""
    torch.manual_seed(0)
    config = replace(CONFIG, algorithm=algorithm_named(name))
    [objective] = make_objectives(config, SeFAR(MODEL)).each().values()
    assert isinstance(objective, Objective)
    return objective


def linear(x: Array, layer: nn.Linear) -> Array:
    result: Array = x @ told(layer.weight).T + (0 if layer.bias is None else told(layer.bias))
    return result


def projected(x: Array, layers: nn.Sequential) -> Array:
    """Two layers, and length 1."""
    out = linear(np.maximum(linear(x, layers[0]), 0), layers[2])  # type: ignore[arg-type]
    length: Array = np.linalg.norm(out, axis=-1, keepdims=True)
    return out / length


def test_tclrs_loss_is_the_sum_of_its_contrasts() -> None:
    objective: TCLR = made("tclr")
    first, second = drawn(3, 5, 16), drawn(3, 5, 16, seed=1)
    views = [told(first), told(second)]
    whole = [projected(view[:, 0], objective.whole) for view in views]  # type: ignore[arg-type]
    parts = [projected(view[:, 1:], objective.whole) for view in views]  # type: ignore[arg-type]
    slices = [np.stack([projected(view[:, 0], q) for q in objective.quarters], 1) for view in views]  # type: ignore[arg-type]
    local = [(view, part) for view in range(2) for part in range(4)]
    instances = [
        pairs_told_apart(parts[i][:, a], parts[j][:, b], 0.1) for i, a in local for j, b in local if (i, a) != (j, b)
    ]
    expected = pairs_told_apart(whole[0], whole[1], 0.1) + np.sum(instances) / 4
    expected += np.mean([pairs_told_apart(one, other, 0.1) for one, other in zip(*parts, strict=True)])
    expected += 4 * np.sum([moments_matched(told_of, part, 0.1) for told_of in slices for part in parts])
    assert objective.of_features(first, second).item() == pytest.approx(expected, rel=1e-4)


def gru(x: Array, state: Array, cell: nn.GRU) -> Array:
    """One step of a GRU (Cho et al., in torch's form)."""
    weights = {name: told(parameter) for name, parameter in cell.named_parameters()}
    i = x @ weights["weight_ih_l0"].T + weights["bias_ih_l0"]
    h = state @ weights["weight_hh_l0"].T + weights["bias_hh_l0"]
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(i, 3, -1), np.split(h, 3, -1)
    reset, update = 1 / (1 + np.exp(-i_r - h_r)), 1 / (1 + np.exp(-i_z - h_z))
    result: Array = (1 - update) * np.tanh(i_n + reset * h_n) + update * state
    return result


def test_memdpcs_loss_predicts_both_ways_out_of_its_memory() -> None:
    objective: MemDPC = made("memdpc")
    objective.blocks, objective.predicted = 5, 2
    features = drawn(3, 5, 16)
    expected = []
    for context, blocks in ((objective.forwards, told(features)), (objective.backwards, told(features)[:, ::-1])):
        state = np.zeros((3, 16))
        for block in range(3):
            state = gru(np.maximum(blocks[:, block], 0), state, context)
        said = []
        for _ in range(2):
            address = linear(np.maximum(linear(state, objective.address[0]), 0), objective.address[2])  # type: ignore[arg-type]
            said.append(softmax(address) @ told(objective.memory))
            state = gru(np.maximum(said[-1], 0), state, context)
        rows, true = np.stack(said, 1).reshape(6, 16), blocks[:, 3:].reshape(6, 16)
        expected.append(np.mean([picked(true @ rows[i], i) for i in range(6)]))
    assert objective.of_features(features).item() == pytest.approx(sum(expected), rel=1e-4)


def test_pasted_actors_are_worth_their_share() -> None:
    logits, classes = drawn(4, 3), torch.tensor([0, 2, 1, 1])
    share, weights = torch.tensor([0.9, 0.5, 1.0, 0.2]), torch.tensor([1.0, 0.0, 1.0, 0.5])
    logs = log_softmax(told(logits))
    expected = 0.0
    for i, w in enumerate(told(share)):
        own, scene = int(classes[i]), int(classes[3 - i])
        expected -= float(weights[i]) * (w * logs[i, own] + (1 - w) * logs[i, scene]) / 4
    assert pasted_loss(logits, classes, share, weights).item() == pytest.approx(expected, rel=1e-5)


def test_phases_are_held_to_the_label_and_to_each_other() -> None:
    logits, weights = drawn(4, 2, 3), torch.tensor([1.0, 0.0, 1.0, 0.5])
    classes = torch.tensor([0, 2, 1, 1])
    labels = PseudoLabels(torch.zeros(4, 3), classes, torch.ones(4), torch.zeros(4))
    x = told(logits)
    held = np.mean([-told(weights)[i] * log_softmax(x[i, k])[classes[i]] for i in range(4) for k in range(2)])
    apart = np.mean(((softmax(x[:, 0]) - softmax(x[:, 1])) ** 2).sum(-1))
    assert phases_loss(logits, labels, weights).item() == pytest.approx(held + apart, rel=1e-5)


def test_distillation_is_the_cross_entropy_with_soft_targets() -> None:
    logits, target = drawn(4, 7), drawn(4, 7, seed=1).softmax(-1)
    expected = np.mean([-(told(target)[i] * log_softmax(told(logits)[i])).sum() for i in range(4)])
    assert distillation(logits, target).item() == pytest.approx(expected, rel=1e-5)


def test_the_selectors_choices_are_reinforced_by_what_lies_above_the_mean() -> None:
    torch.manual_seed(0)
    selector = Selector(6)
    scores = selector(drawn(3, 6), drawn(4, 6, seed=1))
    own, other = linear(told(drawn(3, 6)), selector.actor), linear(told(drawn(4, 6, seed=1)), selector.scene)
    raw = np.array([[linear(np.maximum(a + s, 0), selector.score)[0] for s in other] for a in own])
    np.testing.assert_allclose(told(scores), log_softmax(raw), rtol=1e-4, atol=1e-5)
    reward = torch.tensor([-1.0, -3.0, -0.5])
    expected = -np.mean([(r + 1.5) * told(scores)[i, i] for i, r in enumerate(told(reward))])
    assert reinforce(scores.diagonal(), reward).item() == pytest.approx(expected, rel=1e-5)


def test_every_new_algorithm_names_an_objective_that_is_there() -> None:
    for name in ("memdpc", "tclr", "actorcm", "l2a", "tacl", "videossl", "mt_sd"):
        algorithm: Algorithm = algorithm_named(name)
        assert len(algorithm.objectives) == 1
        assert algorithm.semi_supervised
