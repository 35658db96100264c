"""LTG, CMPL, TimeBalance and MvPL in the training loop: each is heard, and two processes learn what one does."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from gymqa.finegym.splits import Splits
from gymqa.frames.flow import build_flow
from gymqa.frames.source import FrameSource
from gymqa.frames.views import source_of
from gymqa.runtime.runs import read_metrics, resolved
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.config import TrainConfig
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.checkpoint import LAST
from recognizers.training.train import train
from tests.helpers import warm
from tests.helpers.launched import SCRIPT
from tests.helpers.training_world import CONFIG, MODEL, PLAIN, World, same, weights

NAMES = ("ltg", "cmpl", "timebalance", "mvpl")
TSN = TSNConfig(image_size=16, width=4, n_classes=2)
SHORT = replace(CONFIG, steps=6, warm_up_steps=2, labelled_batch=4, unlabelled_batch=4, checkpoint_every=2, log_every=1)


@pytest.fixture(scope="module")
def with_flow(world: World, tmp_path_factory: pytest.TempPathFactory) -> FrameSource:
    """The world's frames and their flow."""
    folder = tmp_path_factory.mktemp("views") / "flow"
    return source_of("rgb+flow", build_flow(folder, world[0].folder, "dis", workers=1).folder)


@pytest.mark.slow
@pytest.mark.parametrize("model", [MODEL, TSN], ids=["sefar", "tsn"])
@pytest.mark.parametrize("name", NAMES)
def test_an_objective_is_heard_in_every_step_and_leaves_the_student_alone(
    name: str, model: ModelConfig, world: World, with_flow: FrameSource, tmp_path: Path
) -> None:
    config = replace(SHORT, model=model, algorithm=replace(algorithm_named(name), threshold=0.3))
    train(config, with_flow if name == "mvpl" else world[0], world[1], tmp_path)
    assert all(line[name] > 0 for line in read_metrics(tmp_path / "metrics.jsonl"))
    assert weights(tmp_path).keys() <= model.build().state_dict().keys()


@pytest.mark.slow
def test_timebalances_teachers_stay_as_the_warm_up_left_them(world: World, tmp_path: Path) -> None:
    config = replace(SHORT, algorithm=algorithm_named("timebalance"), steps=4, warm_up_steps=2)
    kept = []
    for steps in (4, 6):
        train(replace(config, steps=steps, schedule="step"), *world, tmp_path / str(steps))
        kept.append(torch.load(tmp_path / str(steps) / LAST, weights_only=True)["state"]["objectives"])
    assert all(torch.equal(tensor, kept[1][name]) for name, tensor in kept[0].items())
    assert not same(tmp_path / "4", tmp_path / "6")


def recipe(folder: Path, config: TrainConfig, frames: Path, splits: Splits) -> str:
    splits.write(folder / "splits")
    values = {"splits": str(folder / "splits"), "frames": str(frames), "training": resolved(config)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return str(folder / "recipe.yaml")


@pytest.mark.exhaustive
@pytest.mark.slow
def test_two_processes_learn_with_all_four_what_one_does(world: World, with_flow: FrameSource, tmp_path: Path) -> None:
    together = replace(algorithm_named("mvpl"), name="together", threshold=0.5, objectives=NAMES)
    config = replace(PLAIN, algorithm=together, steps=5, warm_up_steps=2, log_every=1)
    file = recipe(tmp_path, config, with_flow.folder, world[1])
    alone = warm.run([SCRIPT, "--config", file, "--out", str(tmp_path / "one")])
    assert alone.returncode == 0, alone.stderr
    both = warm.launch([SCRIPT, "--config", file, "--out", str(tmp_path / "two")])
    assert both.returncode == 0, both.stderr
    one, two = (read_metrics(tmp_path / folder / "metrics.jsonl") for folder in ("one", "two"))
    for name in ("loss", "unlabelled", *NAMES):
        values = [[line[name] for line in lines if name in line] for lines in (one, two)]
        assert values[0] and values[1] == pytest.approx(values[0], rel=2e-3, abs=1e-4), name
    states = [torch.load(tmp_path / folder / LAST, weights_only=True)["state"] for folder in ("one", "two")]
    for part in ("student", "objectives"):
        for name, tensor in states[0][part].items():
            torch.testing.assert_close(states[1][part][name], tensor, atol=2e-4, rtol=2e-3)
