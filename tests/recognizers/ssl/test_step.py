"""The parts of semi-supervised learning, each against an independent computation."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed
from torch import Generator

from gymqa.errors import GymQAError
from gymqa.frames.modality import channels
from recognizers.backbones.sefar import SeFAR, SeFARConfig
from recognizers.config import TrainConfig
from recognizers.loader import ClipBatch
from recognizers.ssl.algorithms import ALGORITHMS, Algorithm, algorithm_named
from recognizers.ssl.losses import ramp
from recognizers.ssl.mixing import MixPlan, draw_mix, mix_frames, mix_targets
from recognizers.ssl.pseudo_label import PseudoLabels, pseudo_label, summarise, switch_on_dropout
from recognizers.ssl.step import guide, require_finite, step_loss
from recognizers.ssl.weighting.adaptive import AdaptiveRegulation
from recognizers.ssl.weighting.base import make_weighting
from recognizers.ssl.weighting.fixed import FixedThreshold
from recognizers.ssl.weighting.flexmatch import FlexMatch
from recognizers.training.optimization import decay_at, make_teacher, update_teacher
from tests.helpers import warm
from tests.helpers.naming import naming

TINY = SeFARConfig(image_size=24, patch_size=12, dim=16, depth=2, heads=2, fusion_dim=8, n_classes=4)


def believed(confidence: list[float], spread: list[float], classes: list[int] | None = None) -> PseudoLabels:
    """Pseudo-labels of which only these matter."""
    size = len(confidence)
    c = torch.tensor(classes or [0] * size)
    return PseudoLabels(torch.zeros(size, 4), c, torch.tensor(confidence), torch.tensor(spread))


def test_adaptive_regulation_has_the_papers_values() -> None:
    labels = believed([1.0, 0.5, 0.9, 1.0], [0.05, 0.1, 0.0, 1e9])
    # worked with a pocket calculator from 2 σ(exp(p) − e) · 2 (σ(1 / (20 s)) − ½)
    expected = [1.0 * 0.462117, 2 * 0.255487 * 0.244919, 2 * 0.435689 * 1.0, 0.0]
    got = AdaptiveRegulation()(labels, torch.arange(4))
    torch.testing.assert_close(got, torch.tensor(expected), atol=2e-5, rtol=0)
    without = AdaptiveRegulation(with_spread=False)(labels, torch.arange(4))
    torch.testing.assert_close(without[1].item(), 2 * 0.255487, atol=2e-5, rtol=0)


def test_regulation_grows_with_confidence_and_falls_with_spread() -> None:
    rule = AdaptiveRegulation()
    by_confidence = rule(believed([0.1, 0.4, 0.7, 1.0], [0.1] * 4), torch.arange(4))
    by_spread = rule(believed([0.8] * 4, [0.01, 0.05, 0.2, 0.5]), torch.arange(4))
    assert (by_confidence.diff() > 0).all()
    assert (by_spread.diff() < 0).all()


def test_fixed_threshold_is_all_or_nothing() -> None:
    weights = FixedThreshold(0.95)(believed([0.94, 0.95, 0.99], [0.0] * 3), torch.arange(3))
    assert weights.tolist() == [0, 1, 1]


def test_every_pseudo_label_counts_for_mean_teacher_and_fixed_ablations_of_sefar_take_a_threshold() -> None:
    labels = believed([0.1, 0.6, 0.99], [0.5, 0.5, 0.0])
    assert make_weighting(algorithm_named("mean_teacher"), 3, 4)(labels, torch.arange(3)).tolist() == [1, 1, 1]
    fixed = replace(algorithm_named("sefar"), weighting="fixed", threshold=0.6)
    assert make_weighting(fixed, 3, 4)(labels, torch.arange(3)).tolist() == [0, 1, 1]


def test_flexmatch_lowers_the_bar_for_classes_that_are_learnt_slowly() -> None:
    rule = FlexMatch(clips=6, classes=2, threshold=0.9)
    # nothing given yet: β = 0 / 6, so every clip passes, and the confident ones are taken down
    first = rule(believed([0.95, 0.95, 0.95, 0.95, 0.1], [0.0] * 5, [0, 0, 0, 1, 1]), torch.arange(5))
    assert first.tolist() == [1, 1, 1, 1, 1]
    # given: class 0 three times, class 1 once, two clips none; β = 3/3 and 1/3; thresholds 0.9 and 0.9 / 5
    second = rule(believed([0.89, 0.91, 0.17, 0.19], [0.0] * 4, [0, 0, 1, 1]), torch.tensor([0, 1, 4, 5]))
    assert second.tolist() == [0, 1, 0, 1]
    other = FlexMatch(6, 2, 0.9)
    other.load_state_dict({name: tensor.clone() for name, tensor in rule.state_dict().items()})
    assert other.given.tolist() == rule.given.tolist() == [0, 0, 0, 1, 2, 2]


ROUNDS = [([0, 3, 1, 2], [0, 0, 1, 1]), ([4, 5, 0, 1], [1, 1, 0, 0]), ([2, 3, 4, 5], [0, 1, 1, 0])]


def flexmatch_over_rounds(own: slice) -> dict[str, torch.Tensor]:
    """Weigh part of each of three batches; all weights [3, B], and the classes given."""
    rule = FlexMatch(6, 2, 0.9)
    weights = [
        rule(believed([0.95, 0.91, 0.5, 0.95][own], [0.0] * 4, classes[own]), torch.tensor(positions[own]))
        for positions, classes in ROUNDS
    ]
    return {"weights": torch.stack(weights), "given": rule.given}


def flexmatch_of_one_of_two(rank: int, folder: Path) -> None:
    """A process's part of each batch."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    torch.save(flexmatch_over_rounds(slice(rank, None, 2)), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.exhaustive
@pytest.mark.slow
def test_flexmatch_counts_the_labels_of_all_processes(tmp_path: Path) -> None:
    warm.run_ranks(flexmatch_of_one_of_two, tmp_path)
    whole = flexmatch_over_rounds(slice(None))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["given"].tolist() == second["given"].tolist() == whole["given"].tolist()
    together = torch.stack([first["weights"], second["weights"]], 2).flatten(1)  # they took turns
    assert together.tolist() == whole["weights"].tolist()
    assert whole["weights"].min() == 0


def test_mean_class_and_spread_over_passes() -> None:
    passes = torch.tensor([[[0.7, 0.3]], [[0.5, 0.5]], [[0.9, 0.1]]])
    labels = summarise(passes)
    torch.testing.assert_close(labels.probabilities, torch.tensor([[0.7, 0.3]]))
    assert labels.classes.tolist() == [0]
    assert labels.confidence.item() == pytest.approx(0.7)
    assert labels.spread.item() == pytest.approx(np.std([0.7, 0.5, 0.9], ddof=1))
    assert summarise(passes[:1]).spread.item() == 0


@pytest.mark.slow
def test_k_head_passes_are_k_full_passes() -> None:
    torch.manual_seed(0)
    teacher = SeFAR(TINY).eval()
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.normal_(std=0.3)
    frames = torch.randn(2, 8, 3, 24, 24)
    torch.manual_seed(1)
    quick = pseudo_label(teacher, frames, 4000)
    torch.manual_seed(2)
    assert switch_on_dropout(teacher) == ["dropout"]
    with torch.no_grad():
        full = summarise(torch.stack([teacher(frames).softmax(-1) for _ in range(400)]))
    torch.testing.assert_close(quick.probabilities, full.probabilities, atol=0.05, rtol=0)
    torch.testing.assert_close(quick.spread, full.spread, atol=0.05, rtol=0)
    assert quick.spread.min() > 0.01


@pytest.mark.parametrize("passes", [1, 3])
def test_only_the_heads_dropout_is_stochastic_in_the_teachers_passes(passes: int) -> None:
    teacher = SeFAR(SeFARConfig(**{**vars(TINY), "drop_path": 0.5})).train()
    ran: dict[str, list[bool]] = {}
    for name, module in teacher.named_modules():
        module.register_forward_hook(lambda m, i, o, name=name: ran.setdefault(name, []).append(m.training))
    pseudo_label(teacher, torch.randn(2, 8, 3, 24, 24), passes)
    assert {name for name, modes in ran.items() if any(modes)} == ({"dropout"} if passes > 1 else set())
    assert len(ran["backbone"]) == len(ran["head"]) == 1  # the head sees all passes as one batch


def test_one_pass_is_without_dropout_and_leaves_the_teacher_in_evaluation_mode() -> None:
    teacher = SeFAR(TINY)
    frames = torch.randn(2, 8, 3, 24, 24)
    labels = pseudo_label(teacher, frames, 1)
    assert not teacher.training
    with torch.no_grad():
        torch.testing.assert_close(labels.probabilities, teacher(frames).softmax(-1), atol=1e-5, rtol=1e-4)
    pseudo_label(teacher, frames, 3)
    assert not any(module.training for module in teacher.modules())


def test_the_ramp_is_the_papers_sine() -> None:
    values = [ramp(epoch, 5, 30) for epoch in range(30)]
    assert values[:5] == [0.0] * 5
    assert values[5] == pytest.approx(math.sin(math.pi / 2 * 1 / 25))
    assert values[17] == pytest.approx(math.sin(math.pi / 2 * 13 / 25))
    assert values[29] == pytest.approx(1.0)


def test_the_teacher_is_a_moving_average() -> None:
    student = SeFAR(TINY)
    teacher = make_teacher(student)
    before = {name: p.clone() for name, p in teacher.named_parameters()}
    with torch.no_grad():
        for p in student.parameters():
            p.add_(torch.randn_like(p))
    update_teacher(teacher, student, 0.9)
    for (name, own), other in zip(teacher.named_parameters(), student.parameters(), strict=True):
        torch.testing.assert_close(own, 0.9 * before[name] + 0.1 * other)
        assert not own.requires_grad


def test_the_teachers_decay_rises_to_its_value() -> None:
    assert [decay_at(t, 0.99, warm_up=True) for t in (0, 90, 10**6)] == [0.1, 0.91, 0.99]
    assert decay_at(0, 0.99, warm_up=False) == 0.99


def test_one_permutation_and_one_share_serve_all_elements_and_masks_are_tubes() -> None:
    elements = (2, 2, 4)
    plan = draw_mix(8, 3, 16, 10.0, Generator().manual_seed(3))
    assert sorted(plan.partner.tolist()) == list(range(8))
    assert (plan.mask.sum(-1) == (plan.fraction * 16).unsqueeze(1)).all()  # as many patches in every element
    assert not (plan.mask[:, 0] == plan.mask[:, 1]).all()
    own = torch.arange(8.0).view(8, 1, 1, 1, 1).expand(8, 8, 3, 16, 16).contiguous()  # every pixel says whose it is
    mixed = mix_frames(own, plan, elements)
    first = 0
    for e, size in enumerate(elements):
        for i in range(8):
            grid = plan.mask[i, e].view(4, 4).repeat_interleave(4, 0).repeat_interleave(4, 1)
            expected = torch.where(grid, float(i), float(plan.partner[i]))
            assert (mixed[i, first : first + size] == expected).all()
        first += size


def test_shares_follow_the_beta_distribution() -> None:
    shares = draw_mix(20000, 1, 64, 10.0, Generator().manual_seed(0)).fraction
    assert shares.mean().item() == pytest.approx(0.5, abs=0.01)
    assert shares.std().item() == pytest.approx(math.sqrt(1 / (4 * 21)), abs=0.005)


def test_mixed_targets_and_weights() -> None:
    labels = PseudoLabels(torch.eye(3), torch.arange(3), torch.ones(3), torch.zeros(3))
    plan = MixPlan(torch.tensor([1, 2, 0]), torch.zeros(3, 1, 4, dtype=torch.bool), torch.tensor([0.75, 0.5, 0.0]))
    targets, weights = mix_targets(labels, torch.tensor([1.0, 0.5, 0.2]), plan)
    expected = torch.tensor([[0.75, 0.25, 0], [0, 0.5, 0.5], [1, 0, 0]])
    torch.testing.assert_close(targets, expected)
    torch.testing.assert_close(weights, torch.tensor([0.875, 0.35, 1.0]))


def clip_batch(size: int, labelled: bool, shown: int = 3) -> ClipBatch:
    frames = torch.randint(0, 256, (size, 8, 24, 24, shown), dtype=torch.uint8)
    labels = torch.arange(size) % 4 if labelled else torch.full((size,), -1)
    return ClipBatch(frames, labels, torch.arange(size), tuple(f"c{i}" for i in range(size)))


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_every_algorithm_takes_a_step_and_sends_gradient_to_the_student_only(name: str) -> None:
    torch.manual_seed(0)
    algorithm = algorithm_named(name)
    config = TrainConfig(model=TINY, algorithm=algorithm, initial="none", steps=10, warm_up_steps=0)
    student = SeFAR(TINY)
    teacher = make_teacher(student)
    rng = Generator().manual_seed(0)
    guidance, shown = None, channels(config.modality)
    if algorithm.semi_supervised:
        weighting = AdaptiveRegulation() if name == "sefar" else FixedThreshold(0.0)
        guidance = guide(config, teacher, clip_batch(6, False, shown), weighting, rng)
        assert len(guidance.views) == (2 if algorithm.mix_weight else 1)
    loss = step_loss(config, student, clip_batch(5, True, shown), guidance, 1.0, rng)
    loss.total.backward()  # type: ignore[no-untyped-call]
    assert loss.total.isfinite()
    assert student.head.weight.grad is not None
    assert teacher.head.weight.grad is None
    assert (loss.unlabelled > 0) == algorithm.semi_supervised
    assert (loss.mixed > 0) == (algorithm.mix_weight > 0)


def test_the_student_sees_the_labelled_view_another_weak_one_or_a_strong_one() -> None:
    seen: list[torch.Tensor] = []
    teacher, batch = SeFAR(TINY), clip_batch(3, labelled=False)
    teacher.backbone.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    views = {}
    for view in ("same", "weak", "strong"):
        algorithm = Algorithm("x", unlabelled_weight=1.0, weighting="none", view=view)  # type: ignore[arg-type]
        config = TrainConfig(model=TINY, algorithm=algorithm, initial="none")
        rng = Generator().manual_seed(4)
        [views[view]] = guide(config, teacher, batch, make_weighting(algorithm, 3, 4), rng).views
    assert torch.equal(views["same"], seen[0])
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(views["weak"], seen[0])
    assert not torch.equal(views["strong"], views["weak"])


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_step_and_clips(loss: float) -> None:
    require_finite("loss", 1.5, 7, ("a", "b"))
    with pytest.raises(GymQAError, match=naming(loss, "step 7", "a, b")):
        require_finite("loss", loss, 7, ("a", "b"))


def test_unknown_names_are_answered_with_the_closest() -> None:
    with pytest.raises(GymQAError, match=naming("fixmatch")):
        algorithm_named("fixmach")
    with pytest.raises(GymQAError, match=naming("'sideways'")):
        TrainConfig(algorithm=Algorithm("x", perturbation="sideways"))
    with pytest.raises(GymQAError, match=naming("warm_up_steps", 5)):
        TrainConfig(steps=5, warm_up_steps=5)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"passes": 0}, (0, "passes")),
        ({"unlabelled_weight": -1.0}, ("unlabelled_weight",)),
        ({"threshold": 1.5}, ("threshold 1.5",)),
        ({"mix_alpha": 0.0}, ("mix_alpha 0.0",)),
        ({"view": "weak", "perturbation": "warp"}, ("view", "strong")),
        ({"view": "same", "mix_weight": 1.0}, ("view", "strong")),
    ],
)
def test_compositions_that_cannot_be_are_refused(settings: dict[str, Any], named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        Algorithm("x", **settings)
