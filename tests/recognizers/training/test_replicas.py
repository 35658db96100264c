"""Two processes of a training keep one network: batch norm's statistics, ActionVLAD's centres, second networks."""

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gymqa.finegym.splits import read_splits
from gymqa.frames.cache import FrameCache
from recognizers.backbones.action_vlad import ActionVLADConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.config import TrainConfig
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.clips import training_clips
from recognizers.training.train import Trainer
from tests.helpers import warm
from tests.helpers.training_world import CONFIG, World

TSN = TSNConfig(image_size=16, width=4, n_classes=2)
VLAD = ActionVLADConfig(
    image_size=16, width=4, architecture="resnet18", segments=3, clusters=3, head_first=0.3, n_classes=2
)
SHORT = replace(CONFIG, steps=3, warm_up_steps=1, labelled_batch=4, unlabelled_batch=4, ema_decay=0.5)
TWO_NETWORKS = replace(SHORT, model=TSN, algorithm=algorithm_named("cmpl"))
CENTRES = replace(SHORT, model=VLAD, algorithm=algorithm_named("fixmatch"))
CASES = {
    "batch norm in two networks": (TWO_NETWORKS, TWO_NETWORKS),
    "centres found apart": (CENTRES, replace(CENTRES, seed=1)),
}
"""By name, the settings of the first process and those of the second."""


def one_of_two(rank: int, port: int, configs: tuple[TrainConfig, TrainConfig], folder: Path) -> None:
    """Train as one of two processes, and write what it ends with."""
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": "2", "ACCELERATE_USE_CPU": "true"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}"}
    config = configs[rank]
    clips = training_clips(config, FrameCache(folder / "frames"), read_splits(folder / "splits"))
    trainer = Trainer(config, clips, folder / "out", config.determines)
    trainer.run()
    holders = (trainer.accelerator.unwrap_model(trainer.student), trainer.teacher, trainer.objectives)
    torch.save([holder.state_dict() for holder in holders], folder / f"{rank}.pt")


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_end_with_the_same_networks(case: str, world: World, tmp_path: Path) -> None:
    (tmp_path / "frames").symlink_to(world[0].folder)
    world[1].write(tmp_path / "splits")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    warm.run_ranks(one_of_two, port, CASES[case], tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for one, two in zip(first, second, strict=True):
        assert one.keys() == two.keys()
        assert [name for name, tensor in one.items() if not torch.equal(tensor, two[name])] == []
