"""Further terms of the loss: they take part in the one training loop with all they have, and leave no trace without."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from gymqa.errors import GymQAError
from gymqa.runtime.runs import read_metrics
from recognizers.backbones.sefar import SeFAR
from recognizers.distributed import all_gathered, broadcast_first
from recognizers.ssl.algorithms import Algorithm, algorithm_named
from recognizers.ssl.objectives.base import Objective, Objectives, StepViews, make_objectives
from recognizers.training.checkpoint import LAST
from recognizers.training.optimization import make_optimizer
from recognizers.training.train import train
from tests.helpers import warm
from tests.helpers.naming import naming
from tests.helpers.objective_example import NAME
from tests.helpers.training_world import CONFIG, MODEL, PLAIN, World, same, stopped_at, weights

EXAMPLE = replace(algorithm_named("fixmatch"), objectives=(NAME,))


@pytest.fixture
def example() -> Algorithm:
    """An algorithm with the example of an objective."""
    return EXAMPLE


def saved(out: Path, name: Path = LAST) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(out / name, weights_only=True)["state"]
    return state


def test_a_run_without_objectives_has_the_settings_and_the_checkpoint_of_before(world: World, tmp_path: Path) -> None:
    assert "objectives" not in CONFIG.determines["algorithm"]
    train(replace(CONFIG, steps=4), *world, tmp_path)
    parts = {"step", "best", "student", "teacher", "optimizer", "scaler", "weighting"}
    assert set(saved(tmp_path)) == parts | {"precision"}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"accumulation": 2, "precision": "bf16"}])
def test_a_stopped_run_with_an_objective_goes_on_to_the_weights_of_one_that_was_not(
    changes: dict[str, Any], example: Algorithm, world: World, tmp_path: Path
) -> None:
    config = replace(CONFIG, algorithm=example, **changes)
    train(config, *world, tmp_path / "whole")
    with stopped_at(7):
        train(config, *world, tmp_path / "halved")
    train(config, *world, tmp_path / "halved")
    assert same(tmp_path / "whole", tmp_path / "halved")
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "halved")]
    assert lines[0] == lines[1]
    assert all(line[NAME] > 0 for line in lines[0])
    whole, halved = (saved(tmp_path / run)["objectives"] for run in ("whole", "halved"))
    assert whole.keys() == {
        f"tests/helpers/objective_example:Remembered.{name}" for name in ("project.weight", "project.bias", "memory")
    }
    assert all(torch.equal(tensor, halved[name]) for name, tensor in whole.items())
    assert not any("project" in name for name in weights(tmp_path / "whole")), "the trained model is the student only"


@pytest.mark.slow
def test_an_objectives_parameters_learn_and_its_say_on_labels_is_heard(
    example: Algorithm, world: World, tmp_path: Path
) -> None:
    config = replace(CONFIG, algorithm=example)
    train(config, *world, tmp_path)
    fresh, learnt = make_objectives(config, SeFAR(MODEL)).state_dict(), saved(tmp_path)["objectives"]
    assert all(not torch.equal(tensor, learnt[name]) for name, tensor in fresh.items())
    lines = [line for line in read_metrics(tmp_path / "metrics.jsonl") if "weight" in line]
    assert {line["confidence"] for line in lines} == {line["weight"] for line in lines} == {1.0}


def test_objectives_are_made_alike_each_time_and_move_nobodys_draws(example: Algorithm) -> None:
    config, student = replace(CONFIG, algorithm=example), SeFAR(MODEL)
    before = torch.get_rng_state()
    one, two = (make_objectives(config, student).state_dict() for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())


class Second(Objective):
    """A network that starts as the student does, and one that does not."""

    copies = ("network",)

    def __init__(self, student: SeFAR) -> None:
        super().__init__(CONFIG, student)
        self.network, self.other = SeFAR(MODEL), SeFAR(MODEL)

    def loss(self, views: StepViews) -> torch.Tensor:
        return views.labelled.logits.new_zeros(())


def test_a_copy_of_the_student_learns_at_the_rates_of_the_student_and_other_networks_at_the_full_one() -> None:
    student, second = SeFAR(MODEL), Second(SeFAR(MODEL))
    objectives = Objectives({"second": second})
    optimizer = make_optimizer(replace(CONFIG, backbone_rate=0.1), student, objectives.optimized())
    scales = {id(p): group["scale"] for group in optimizer.param_groups for p in group["params"]}
    own, copied, other = (
        {name: scales[id(p)] for name, p in network.named_parameters()}
        for network in (student, second.network, second.other)
    )
    assert own == copied and (own["backbone.norm.weight"], own["head.weight"]) == (0.1, 1.0)
    assert set(other.values()) == {1.0}


def test_unknown_objectives_and_those_named_twice_are_refused(example: Algorithm) -> None:
    with pytest.raises(GymQAError, match=naming("'memdcp'", "memdpc")):
        replace(CONFIG, algorithm=replace(example, objectives=("memdcp",)))
    with pytest.raises(GymQAError, match=naming(f"{NAME}, {NAME}")):
        replace(CONFIG, algorithm=replace(example, objectives=(NAME, NAME)))
    assert Algorithm("x", objectives=[NAME]).objectives == (NAME,)  # type: ignore[arg-type]


def spread_of(rows: torch.Tensor, own: slice) -> torch.Tensor:
    """The mean over own rows of the squared similarities to all rows: each process's loss is a part of the whole's."""
    return (rows[own] @ all_gathered(rows[own]).T).square().mean()


def one_of_two(rank: int, folder: Path) -> None:
    """A process's gradients of its half of a batch, averaged."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    config = replace(PLAIN, algorithm=EXAMPLE)
    objectives = make_objectives(config, SeFAR(MODEL))
    project = objectives.each()[NAME].project
    spread_of(project(batch()), slice(rank, None, 2)).backward()  # type: ignore[no-untyped-call, operator]
    if rank == 1:
        project.bias.grad = None  # type: ignore[union-attr]
    objectives.average_gradients()
    with torch.no_grad():
        for buffer in objectives.buffers():
            buffer.fill_(rank)
    broadcast_first(objectives.buffers())
    torch.save([project.weight.grad, project.bias.grad, *objectives.buffers()], folder / f"{rank}.pt")  # type: ignore[union-attr]
    dist.destroy_process_group()


def batch() -> torch.Tensor:
    return torch.randn(6, MODEL.fusion_dim, generator=torch.Generator().manual_seed(0))


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_the_whole_batch_and_one_memory(tmp_path: Path) -> None:
    warm.run_ranks(one_of_two, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    config = replace(PLAIN, algorithm=EXAMPLE)
    whole = make_objectives(config, SeFAR(MODEL)).each()[NAME].project
    spread_of(whole(batch()), slice(None)).backward()  # type: ignore[no-untyped-call, operator]
    torch.testing.assert_close(first[0], whole.weight.grad)  # type: ignore[union-attr]
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    assert first[1] is not None and first[2].abs().max() < 0.5, "the first process's memory is everybody's"
