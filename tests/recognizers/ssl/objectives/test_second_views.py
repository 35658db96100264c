"""LTG, CMPL, TimeBalance and MvPL: each loss worked out in NumPy at float64, and what makes each what it is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from gymqa.errors import GymQAError
from recognizers.backbones.action_vlad import ActionVLADConfig
from recognizers.backbones.base import ModelConfig, Recognizer
from recognizers.backbones.registry import list_models
from recognizers.backbones.tsm import TSMConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.factory import model_config
from recognizers.loader import ClipBatch
from recognizers.ssl.algorithms import algorithm_named
from recognizers.ssl.objectives.base import StepViews, UnlabelledViews, ViewOutputs, make_objectives
from recognizers.ssl.objectives.cmpl import narrowed
from recognizers.ssl.objectives.ltg import mean_of_logits
from recognizers.ssl.objectives.temporal_gradients import temporal_gradient
from recognizers.ssl.objectives.timebalance import invariant_loss, mean_similarity
from recognizers.ssl.perturbation import time_order
from recognizers.ssl.pseudo_label import PseudoLabels, pseudo_label, summarise
from recognizers.training.optimization import make_teacher
from tests.helpers.naming import naming
from tests.helpers.objective_example import ELEMENTS, STEADY, cross_entropy, log_softmax, scattered, told
from tests.helpers.training_world import CONFIG, MODEL

Array = NDArray[np.float64]


def clips(size: int, seed: int) -> Tensor:
    return torch.rand(size, 8, 3, 16, 16, generator=Generator().manual_seed(seed)) * 2 - 1


def made(name: str, **settings: Any) -> tuple[Any, Recognizer]:
    """An objective of small, scattered networks, and its student."""
    config = replace(CONFIG, model=STEADY, algorithm=algorithm_named(name), **settings)
    student = scattered(STEADY.build())
    objective = make_objectives(config, student).each()[name]
    for number, module in enumerate(objective.modules()):
        if isinstance(module, Recognizer):
            scattered(module, 1 + number)
    return objective, student


def look(student: Recognizer, view: Tensor) -> ViewOutputs:
    features = student.forward_features(view)
    return ViewOutputs(view, student.forward_head(features.fused), features.fused, features.tokens)


def labels_of(*confidence: float, classes: list[int]) -> PseudoLabels:
    spread = torch.zeros(len(confidence))
    return PseudoLabels(torch.zeros(len(classes), 2), torch.tensor(classes), torch.tensor(confidence), spread)


def step_views(student: Recognizer, step: int = 5, xi: float = 0.5, warm_up: bool = False) -> StepViews:
    """Three labelled and four unlabelled clips; the student is sure of its classes on the first and the last."""
    batch = ClipBatch(torch.zeros(4, 8, 16, 16, 3, dtype=torch.uint8), torch.full((4,), -1), torch.arange(4), ())
    believed = labels_of(0.9, 0.79, 0.6, 0.81, classes=[1, 0, 0, 0])
    given = labels_of(0.5, 0.9, 0.9, 0.2, classes=[0, 1, 1, 0])
    counts = torch.tensor([0.0, 1.0, 1.0, 0.0])
    unlabelled = UnlabelledViews(clips(4, 1), look(student, clips(4, 2)), believed, given, counts)
    labelled, targets = look(student, clips(3, 0)), torch.tensor([0, 1, 1])
    shown = None if warm_up else unlabelled
    rng = Generator().manual_seed(0)
    return StepViews(student, make_teacher(student), labelled, targets, batch, shown, step, xi, rng)


def unit(x: Tensor) -> Array:
    array = told(x)
    result: Array = array / np.linalg.norm(array, axis=-1, keepdims=True)
    return result


def in_order(*values: float) -> Tensor:
    """A clip of single pixels whose frames have these values in time, element after element."""
    view = torch.empty(1, 8, 1, 1, 1)
    view[0, time_order(ELEMENTS), 0, 0, 0] = torch.tensor(values)
    return view


def test_a_temporal_gradient_is_half_the_difference_to_the_next_frame_in_time() -> None:
    found = temporal_gradient(in_order(0.0, 0.5, 1.0, -1.0, -1.0, 0.0, 0.25, 0.75), ELEMENTS)
    expected = in_order(0.25, 0.25, -1.0, 0.0, 0.5, 0.125, 0.25, 0.25)
    torch.testing.assert_close(found, expected)
    assert temporal_gradient(torch.ones(2, 1, 3, 4, 4), (1,)).abs().max() == 0
    still = torch.rand(2, 1, 3, 4, 4).expand(2, 8, 3, 4, 4)
    assert temporal_gradient(still, ELEMENTS).abs().max() == 0


def test_cmpls_auxiliary_network_learns_what_the_student_is_sure_of() -> None:
    objective, student = made("cmpl")
    views = step_views(student)
    assert views.unlabelled is not None
    supervised = cross_entropy(objective.auxiliary(views.labelled.view), [0, 1, 1])
    taught = cross_entropy(objective.auxiliary(views.unlabelled.own.view), [1, 0, 0, 0], [1, 0, 0, 1])
    assert objective.loss(views).item() == pytest.approx(supervised + 0.5 * taught, rel=1e-5)
    assert objective.loss(step_views(student, warm_up=True)).item() == pytest.approx(supervised, rel=1e-5)


def test_cmpls_student_learns_from_the_auxiliary_network_and_each_has_its_own_gradient() -> None:
    objective, student = made("cmpl")
    weak, batch = clips(4, 1), step_views(student).clips
    assert batch is not None
    mine = pseudo_label(student, weak, 1)
    given = objective.relabel(weak, batch, mine, student)
    with torch.no_grad():
        torch.testing.assert_close(given.probabilities, objective.auxiliary(weak).softmax(-1))
    assert not torch.allclose(given.probabilities, mine.probabilities)
    objective.loss(step_views(student)).backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())
    assert all(parameter.grad is None for parameter in student.parameters())


@pytest.mark.parametrize("name", list_models())
def test_a_narrowed_network_of_every_family_has_a_quarter_of_the_width(name: str) -> None:
    config = model_config(name)
    narrow = narrowed(config, 4)
    assert (type(narrow), narrow.n_classes, narrow.elements) == (type(config), config.n_classes, config.elements)
    width, of = (getattr(sizes, "dim" if config.family == "sefar" else "width") for sizes in (narrow, config))
    assert width == of / 4


class Widthless(ModelConfig):
    """A config of the user's own, without a width."""

    elements = (8,)

    def build(self) -> Recognizer:
        return MODEL.build()


def test_a_narrowed_network_keeps_to_what_its_family_takes() -> None:
    small = narrowed(MODEL, 4)
    assert (small.dim, small.heads, small.fusion_dim) == (4, 1, 4)  # type: ignore[attr-defined]
    assert narrowed(TSMConfig(width=32, shifted=8), 4).width == 8  # type: ignore[attr-defined]
    counts = [sum(p.numel() for p in config.build().parameters()) for config in (MODEL, small)]
    assert counts[1] < counts[0] / 3
    with pytest.raises(GymQAError, match="width"):
        narrowed(Widthless(), 4)


@pytest.mark.parametrize(
    "config",
    [TSNConfig(width=1), TSMConfig(width=8, shifted=8), replace(MODEL, dim=1, heads=1, patch_size=8)],
    ids=["one channel", "no multiple below", "sefar"],
)
def test_what_cannot_be_narrowed_is_refused(config: ModelConfig) -> None:
    with pytest.raises(GymQAError, match=naming(config.family)):
        narrowed(config, 4)


@pytest.mark.parametrize("name", ["cmpl", "ltg", "timebalance"])
def test_second_networks_are_not_of_a_family_that_is_prepared(name: str) -> None:
    with pytest.raises(GymQAError, match=naming(name, "actionvlad")):
        replace(CONFIG, model=ActionVLADConfig(image_size=16), algorithm=algorithm_named(name))
    for other in ("mvpl", "fixmatch", "tclr"):
        replace(CONFIG, model=ActionVLADConfig(image_size=16), algorithm=algorithm_named(other))


def test_ltgs_loss_is_that_of_gradients_alignment_and_contrast() -> None:
    objective, student = made("ltg")
    views = step_views(student)
    assert views.unlabelled is not None
    shown = [views.labelled.view, views.unlabelled.weak, views.unlabelled.own.view]
    gradients = [look(objective.network, temporal_gradient(view, ELEMENTS)) for view in shown]
    colours = [views.labelled, look(student, views.unlabelled.weak)]
    expected = cross_entropy(gradients[0].logits, [0, 1, 1])
    expected += 0.5 * cross_entropy(gradients[2].logits, [0, 1, 1, 0], [0, 1, 1, 0])
    pairs = list(zip(colours, gradients[:2], strict=True))
    cosines = np.concatenate([(unit(one.tokens) * unit(other.tokens)).sum(-1).ravel() for one, other in pairs])
    expected += 2 * (1 - cosines.mean())
    a = unit(objective.of_colours(torch.cat([one.fused for one in colours])))
    b = unit(objective.of_gradients(torch.cat([one.fused for one in gradients[:2]])))
    scores, own = a @ b.T / 0.5, np.arange(7)
    expected -= log_softmax(scores)[own, own].mean() + log_softmax(scores.T)[own, own].mean()
    assert objective.loss(views).item() == pytest.approx(expected, rel=1e-4)


def test_ltgs_alignment_moves_the_colours_and_holds_the_gradients_fast() -> None:
    objective, student = made("ltg")
    view = clips(3, 0)
    pair = (look(student, view), look(objective.network, temporal_gradient(view, ELEMENTS)))
    objective._alignment([pair]).backward()
    assert all(parameter.grad is None for parameter in objective.network.parameters())
    assert any(parameter.grad is not None for parameter in student.parameters())


def test_ltgs_pseudo_labels_are_the_softmax_of_the_mean_logits() -> None:
    first, second = torch.randn(5, 3), torch.randn(5, 3)
    found = mean_of_logits(first.softmax(-1), second.softmax(-1))
    torch.testing.assert_close(found, ((first + second) / 2).softmax(-1))
    objective, student = made("ltg")
    weak, batch = clips(4, 1), step_views(student).clips
    given = objective.relabel(weak, batch, pseudo_label(student, weak, 1), student)
    with torch.no_grad():
        logits = (student(weak) + objective.network(temporal_gradient(weak, ELEMENTS))) / 2
    torch.testing.assert_close(given.probabilities, logits.softmax(-1), atol=1e-5, rtol=1e-4)
    assert torch.equal(given.classes, logits.argmax(-1))


def test_mvpl_without_flow_teaches_one_network_on_both_views_from_the_mean_of_both() -> None:
    gradients = replace(algorithm_named("mvpl"), objectives=("mvpl_gradients",))
    config, student = replace(CONFIG, model=STEADY, algorithm=gradients), scattered(STEADY.build())
    objective = make_objectives(config, student).each()["mvpl_gradients"]
    assert not list(objective.parameters())
    views = step_views(student)
    assert views.unlabelled is not None and views.clips is not None
    labelled, strong = (temporal_gradient(v, ELEMENTS) for v in (views.labelled.view, views.unlabelled.own.view))
    expected = cross_entropy(student(labelled), [0, 1, 1])
    expected += 0.5 * cross_entropy(student(strong), [0, 1, 1, 0], [0, 1, 1, 0])
    loss = objective.loss(views)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert all(parameter.grad is not None for parameter in student.parameters())
    weak, batch = clips(4, 1), views.clips
    given = objective.relabel(weak, batch, pseudo_label(student, weak, 1), student)
    with torch.no_grad():
        both = [student(view).softmax(-1) for view in (weak, temporal_gradient(weak, ELEMENTS))]
    torch.testing.assert_close(given.probabilities, (both[0] + both[1]) / 2, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["ltg", "mvpl"])
def test_gradients_of_other_modalities_are_not_taken(name: str) -> None:
    config = replace(CONFIG, model=replace(MODEL, modality="flow"), algorithm=algorithm_named(name))
    with pytest.raises(GymQAError, match=naming({"ltg": "LTG", "mvpl": "MvPL"}[name], "flow", "model.modality")):
        make_objectives(config, config.model.build())


def parts_contrasted(first: Array, second: Array) -> float:
    """NT-Xent of part k of the first view and part k + 1 of the second, among the same of all clips."""
    found, parts = [], first.shape[1]
    for k in range(parts):
        every, n = np.concatenate([first[:, k], second[:, (k + 1) % parts]]), len(first)
        for i in range(2 * n):
            others = [j for j in range(2 * n) if j != i]
            scores = np.array([every[i] @ every[j] for j in others]) / 0.1
            found.append(-log_softmax(scores)[others.index((i + n) % (2 * n))])
    return float(np.mean(found))


def test_timebalances_invariant_teacher_contrasts_times_of_a_clip_with_other_clips() -> None:
    rng = Generator().manual_seed(0)
    first, second = (F.normalize(torch.randn(3, 4, 5, generator=rng), dim=-1) for _ in range(2))
    assert invariant_loss(first, second).item() == pytest.approx(parts_contrasted(told(first), told(second)), rel=1e-5)
    one = F.normalize(torch.randn(3, 1, 5, generator=rng), dim=-1).expand(3, 4, 5)
    assert invariant_loss(one, one) < invariant_loss(first, second), "clips that stay the same are what it wants"


def test_timebalances_similarity_is_the_mean_cosine_of_two_times() -> None:
    still = torch.ones(1, 3, 2)
    turning = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]])
    away = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]]])
    found = mean_similarity(torch.cat([still, turning, away]))
    torch.testing.assert_close(found, torch.tensor([1.0, (0 + 2 * 0.5**0.5) / 3, 0.0]))


def test_timebalance_believes_the_invariant_teacher_where_nothing_moves() -> None:
    objective, _ = made("timebalance")
    moving = clips(2, 1)
    still = moving[:, :1].expand_as(moving)
    objective.distinctive.backbone.time_embed.data.zero_()
    view = torch.cat([moving, still])
    similar = objective.similarity(view)
    torch.testing.assert_close(similar[2:], torch.ones(2))
    assert (similar[:2] < 0.999).all()
    with torch.no_grad():
        sure, unsure = (one(view).softmax(-1) for one in (objective.invariant, objective.distinctive))
    expected = told(similar)[:, None] * told(sure) + (1 - told(similar)[:, None]) * told(unsure)
    np.testing.assert_allclose(told(objective.balanced(view)), expected, rtol=1e-4, atol=1e-6)


def test_timebalances_student_learns_the_teachers_mean_on_labelled_clips_at_half_the_weight() -> None:
    objective, student = made("timebalance", warm_up_steps=3)
    views = step_views(student, step=5)
    targets = told(objective.balanced(views.labelled.view))
    squared = ((np.exp(log_softmax(told(views.labelled.logits))) - targets) ** 2).sum(-1).mean()
    loss = objective.loss(views)
    assert loss.item() == pytest.approx(0.5 * 0.5 * squared, rel=1e-4)
    loss.backward()
    assert student.head.weight.grad is not None
    assert all(parameter.grad is None for parameter in objective.parameters()), "the teachers are held fast"
    weak = clips(4, 1)
    given = objective.relabel(weak, views.clips, summarise(torch.full((1, 4, 2), 0.5)), student)
    torch.testing.assert_close(given.probabilities, objective.balanced(weak))


def test_timebalances_teachers_learn_in_the_warm_up_and_the_student_does_not_learn_from_them() -> None:
    objective, student = made("timebalance", warm_up_steps=3)
    objective.loss(step_views(student, step=2, warm_up=True)).backward()
    assert all(parameter.grad is not None for parameter in objective.parameters())
    assert all(parameter.grad is None for parameter in student.parameters())
    with pytest.raises(GymQAError, match=naming("warm_up_steps")):
        made("timebalance", warm_up_steps=0)
