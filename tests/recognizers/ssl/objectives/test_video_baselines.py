"""The video baselines and self-supervised pre-trainings: what makes each what it is, and that all train."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Generator, Tensor

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import Splits
from gymqa.runtime.runs import read_metrics
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.image.vit import ImageViT
from recognizers.backbones.tsn import TSNConfig
from recognizers.loader import ClipBatches
from recognizers.ssl.algorithms import Algorithm, algorithm_named
from recognizers.ssl.objectives.actor_cutmix import paste_actors
from recognizers.ssl.objectives.actors import actor_masks
from recognizers.ssl.objectives.appearance import appearance, image_network
from recognizers.ssl.objectives.base import StepViews, UnlabelledViews, make_objectives
from recognizers.ssl.objectives.composite import composite
from recognizers.ssl.objectives.contrast import nt_xent
from recognizers.ssl.objectives.local_clips import temporal_parts
from recognizers.ssl.perturbation import time_order
from recognizers.ssl.pseudo_label import PseudoLabels
from recognizers.training.optimization import rate_factor
from recognizers.training.train import train
from tests.helpers import warm
from tests.helpers.naming import naming
from tests.helpers.objective_example import STEADY, scattered
from tests.helpers.training_world import CONFIG, MODEL, World, same, weights

ELEMENTS = (2, 2, 4)
NAMES = ("memdpc", "tclr", "actorcm", "l2a", "tacl", "videossl", "mt_sd")
TSN = TSNConfig(image_size=16, width=4, n_classes=2)
SHORT = replace(CONFIG, steps=6, warm_up_steps=2, labelled_batch=4, unlabelled_batch=4, checkpoint_every=2, log_every=1)


def moving_squares(batch: int, size: int = 32) -> Tensor:
    """Clips [B, 8, 3, S, S], element after element: a still, noisy scene; clip i's square of 6 px goes right."""
    scene = torch.rand(batch, 1, 3, size, size, generator=Generator().manual_seed(0)).repeat(1, 8, 1, 1, 1)
    places = time_order(ELEMENTS)
    for i in range(batch):
        for t, place in enumerate(places.tolist()):
            scene[i, place, :, 3 + 5 * i : 9 + 5 * i, 2 + 2 * t : 8 + 2 * t] = -1.0
    return scene


def test_each_part_of_a_clip_shows_its_own_frames_in_time() -> None:
    view = torch.empty(1, 8)
    view[0, time_order(ELEMENTS)] = torch.arange(8.0)  # every frame says when it was
    parts = temporal_parts(view, 4, ELEMENTS)[0][:, time_order(ELEMENTS)]  # [4, N], in time again
    assert parts.tolist() == [[2 * k] * 4 + [2 * k + 1] * 4 for k in range(4)]
    assert temporal_parts(torch.arange(3.0).view(1, 3), 2, (3,)).tolist() == [[[0, 0, 0], [1, 1, 2]]]
    with pytest.raises(GymQAError, match=naming("3 frames", "4 parts")):
        temporal_parts(torch.zeros(1, 3), 4, (3,))


def test_the_actors_box_lies_around_what_moves() -> None:
    masks = actor_masks(moving_squares(2), ELEMENTS)
    for i, mask in enumerate(masks):
        rows, columns = mask.any(1).nonzero().squeeze(1), mask.any(0).nonzero().squeeze(1)
        assert mask.sum() == len(rows) * len(columns), "it is a box"
        assert 3 + 5 * i <= rows[0] <= 5 + 5 * i and 6 + 5 * i <= rows[-1] <= 8 + 5 * i
        assert 2 <= columns[0] <= 5 and 18 <= columns[-1] <= 21
    still = moving_squares(1)[:, :1].expand(1, 8, 3, 32, 32)
    assert actor_masks(still, ELEMENTS).all(), "where nothing moves, all is the actor"


def test_a_pasted_box_is_the_actors_own_in_every_frame_and_the_rest_the_partners_scene() -> None:
    view = moving_squares(3)
    masks, (pasted, share) = actor_masks(view, ELEMENTS), paste_actors(view, ELEMENTS)
    for i, partner in ((0, 2), (2, 0)):
        own, theirs = masks[i], masks[partner]
        for frame in range(8):
            assert torch.equal(pasted[i, frame][:, own], view[i, frame][:, own])
            assert (pasted[i, frame][:, ~own & theirs] == 0).all()
            scene = ~own & ~theirs
            assert torch.equal(pasted[i, frame][:, scene], view[partner, frame][:, scene])
        ratio = own.float().mean().item()
        assert share[i].item() == pytest.approx(1 - (1 - ratio) ** 4)
    assert torch.equal(pasted[1], view[1]), "the middle one of an odd batch is its own partner, and stays"
    assert share[1] == 1


def test_clips_with_nothing_to_paste_are_learnt_from_in_their_strong_view() -> None:
    moving = moving_squares(2, 16)
    still = moving[:, :1].expand_as(moving)  # all actor
    strong = torch.rand(2, 8, 3, 16, 16, generator=Generator().manual_seed(1))
    student = scattered(STEADY.build()).eval()
    config = replace(CONFIG, model=STEADY, algorithm=algorithm_named("actorcm"))
    objective = make_objectives(config, student).each()["actor_cutmix"]
    labels = PseudoLabels(torch.zeros(2, 2), torch.tensor([0, 1]), torch.ones(2), torch.zeros(2))

    def term(weak: Tensor) -> float:
        own = objective.forward_view(student, strong)
        unlabelled = UnlabelledViews(weak, own, labels, labels, torch.ones(2))
        rng = Generator().manual_seed(0)
        return objective.loss(StepViews(student, student, own, labels.classes, None, unlabelled, 0, 0.5, rng)).item()

    expected = torch.nn.functional.cross_entropy(student(strong), labels.classes).item()
    assert term(still) == pytest.approx(0.5 * 0.5 * expected, rel=1e-5)
    assert term(moving) != pytest.approx(0.5 * 0.5 * expected, rel=1e-3)


def test_a_composite_is_the_actor_before_a_scene_from_which_movement_is_gone() -> None:
    view = moving_squares(2)
    made, mask = composite(view[:1], view[1:], ELEMENTS)[0], actor_masks(view[:1], ELEMENTS)[0]
    assert torch.equal(made[:, :, mask], view[0][:, :, mask])
    assert (made[:, :, ~mask] == made[:1, :, ~mask]).all()
    never = view[1].eq(-1).any((0, 1))  # where the other clip's square passes
    assert torch.equal(made[0][:, ~mask & ~never], view[1, 0][:, ~mask & ~never])


def test_the_image_network_says_probabilities_that_differ_between_pictures(tmp_path: Path) -> None:
    view = moving_squares(2, 16)
    ImageViT(MODEL.vit).save_pretrained(tmp_path / "vit")
    TSN.build().save_pretrained(tmp_path / "tsn")
    MODEL.build().save_pretrained(tmp_path / "sefar")
    for source, width in (("shipped", 128), (str(tmp_path / "vit"), 16), (str(tmp_path / "tsn"), 2)):
        said = appearance(image_network(source), view)
        assert said.shape == (2, width)
        torch.testing.assert_close(said.sum(-1), torch.ones(2))
        assert not said.requires_grad and not torch.equal(said[0], said[1])
    with pytest.raises(GymQAError, match=naming(tmp_path / "sefar", "sefar", "tsn")):
        image_network(str(tmp_path / "sefar"))
    replace(TSN, stack=2).build().save_pretrained(tmp_path / "stack")
    with pytest.raises(GymQAError, match=naming(tmp_path / "stack", "tsn", 2, "stack 1")):
        image_network(str(tmp_path / "stack"))


def test_what_is_not_seen_cannot_be_looked_for() -> None:
    flow, poses = (replace(CONFIG, model=replace(TSN, modality=seen)) for seen in ("flow", "pose"))
    with pytest.raises(GymQAError, match=naming("rgb", "flow")):
        make_objectives(replace(flow, algorithm=algorithm_named("videossl")), TSN.build())
    for name in ("actorcm", "l2a"):
        make_objectives(replace(flow, algorithm=algorithm_named(name)), TSN.build())
        with pytest.raises(GymQAError, match=naming(name)):
            make_objectives(replace(poses, algorithm=algorithm_named(name)), TSN.build())


@pytest.mark.slow
@pytest.mark.parametrize("model", [MODEL, TSN], ids=["sefar", "tsn"])
@pytest.mark.parametrize("name", NAMES)
def test_an_objective_is_heard_in_its_part_of_the_training(
    name: str, model: ModelConfig, world: World, tmp_path: Path
) -> None:
    algorithm = replace(algorithm_named(name), threshold=0.3)
    [objective] = algorithm.objectives
    train(replace(SHORT, model=model, algorithm=algorithm), *world, tmp_path)
    heard = [line["step"] for line in read_metrics(tmp_path / "metrics.jsonl") if line[objective] != 0]
    expected = [1, 2, 3] if algorithm.pretraining else [1, 2, 3, 4, 5, 6] if objective == "appearance" else [3, 4, 5, 6]
    assert heard == expected


def relabelled(splits: Splits) -> Splits:
    """The same clips with the two classes exchanged."""
    turned: list[Clip] = [replace(clip, label=1 - (clip.label or 0)) for clip in splits.labelled]
    return replace(splits, labelled=turned)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["memdpc", "tclr"])
def test_a_pre_training_learns_from_clips_and_not_from_labels(name: str, world: World, tmp_path: Path) -> None:
    algorithm = replace(algorithm_named(name), pretraining=1.0)
    config = replace(SHORT, algorithm=algorithm, weight_decay=0.0, final="student")
    cache, splits = world
    train(config, cache, splits, tmp_path / "a")
    train(config, cache, relabelled(splits), tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")
    torch.manual_seed(config.seed)
    fresh, learnt = MODEL.build().state_dict(), weights(tmp_path / "a")
    assert all(torch.equal(fresh[name], learnt[name]) == name.startswith("head.") for name in fresh)
    losses = [line[name] for line in read_metrics(tmp_path / "a" / "metrics.jsonl")]
    assert losses[-1] < losses[0]


def test_after_a_pre_training_labelled_clips_alone_are_loaded_and_the_rate_starts_anew(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[int] = []
    at = ClipBatches.at

    def noted(self: ClipBatches, step: int) -> Any:
        if self.seed[1] == 1:
            loaded.append(step)
        return at(self, step)

    monkeypatch.setattr(ClipBatches, "at", noted)
    config = replace(SHORT, algorithm=replace(algorithm_named("memdpc"), pretraining=0.34), workers=0)
    train(config, *world, tmp_path)
    assert loaded == [0, 1]
    steps = replace(config, steps=100, rate_warm_up_steps=0, algorithm=algorithm_named("tclr"))
    assert [round(rate_factor(steps, step), 3) for step in (0, 25, 49, 50, 75, 99)] == [1, 0.5, 0.001, 1, 0.5, 0.001]


def test_settings_of_older_runs_stay_what_they_were() -> None:
    for name in ("supervised", "sefar", "flexmatch"):
        kept = replace(CONFIG, algorithm=algorithm_named(name)).determines["algorithm"]
        assert not kept.keys() & {"objectives", "pretraining", "image_network"}
    kept = replace(CONFIG, algorithm=algorithm_named("memdpc")).determines["algorithm"]
    assert (kept["objectives"], kept["pretraining"]) == (("memdpc",), 0.5)
    assert asdict(algorithm_named("mt_sd"))["image_network"] == "shipped"


def test_another_image_network_of_the_same_name_is_another_run(tmp_path: Path) -> None:
    config = replace(CONFIG, algorithm=replace(algorithm_named("videossl"), image_network=str(tmp_path)))
    with pytest.raises(GymQAError, match=naming(tmp_path)):
        assert config.determines
    hashes = set()
    for seed in range(2):
        torch.manual_seed(seed)
        TSN.build().save_pretrained(tmp_path)
        hashes.add(config.determines["image_weights"])
    assert len(hashes) == 2


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"pretraining": 1.5, "objectives": ("tclr",)}, (1.5,)),
        ({"pretraining": 0.5}, ("objectives",)),
        ({"pretraining": 0.5, "objectives": ("tclr",), "unlabelled_weight": 1.0}, ("unlabelled_weight",)),
    ],
)
def test_impossible_pre_trainings_are_refused(settings: dict[str, Any], named: tuple[object, ...]) -> None:
    with pytest.raises(GymQAError, match=naming(*named)):
        Algorithm("x", **settings)


def rows(seed: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(6, 4, generator=Generator().manual_seed(seed)), dim=-1)


def one_of_two(rank: int, folder: Path) -> None:
    """A process's NT-Xent of its half of a batch, and the gradient."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    own = slice(rank, None, 2)
    a, b = rows(0)[own].requires_grad_(), rows(1)[own]
    loss = nt_xent(a, b, 0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.save([loss.detach(), a.grad], folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_the_contrast_of_two_processes_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    warm.run_ranks(one_of_two, tmp_path)
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    a = rows(0).requires_grad_()
    loss = nt_xent(a, rows(1), 0.1)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close((found[0][0] + found[1][0]) / 2, loss.detach())
    assert a.grad is not None
    torch.testing.assert_close(found[0][1] / 2, a.grad[0::2])
    torch.testing.assert_close(found[1][1] / 2, a.grad[1::2])
