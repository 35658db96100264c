"""A training chooses its precision, records it, and goes on in it on a machine that would choose another."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gymqa.errors import GymQAError
from gymqa.runtime.precision import recorded_precision
from recognizers.backbones.c3d import C3DConfig
from recognizers.config import TrainConfig
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.checkpoint import trained_in_bf16
from recognizers.training.setup import start_accelerator, training_precision
from recognizers.training.train import train
from tests.helpers import warm
from tests.helpers.naming import does_name, naming
from tests.helpers.other_cpu import other_cpu
from tests.helpers.training_world import PLAIN, World, same, stopped_at

SHORT = replace(PLAIN, steps=4, warm_up_steps=0, checkpoint_every=2, precision="auto")


def test_choosing_is_the_default() -> None:
    assert TrainConfig().precision == "auto"
    assert replace(SHORT, precision="no").precision == "float32"


def test_a_chosen_precision_is_that_of_the_named_one_and_stands_in_the_folder(world: World, tmp_path: Path) -> None:
    for bf16, name in ((True, "bf16"), (False, "float32")):
        with other_cpu(bf16):
            out = train(SHORT, *world, tmp_path / f"auto-{name}")
            train(replace(SHORT, precision=name), *world, tmp_path / name)  # type: ignore[arg-type]
        assert same(out, tmp_path / name)
        recorded = json.loads((out / "environment.json").read_text())
        assert recorded["precision"] == name and recorded["precision_reason"]
        assert does_name((out / "log.txt").read_text(), f"precision: {name}", "CPU")
        assert json.loads((out / "training.json").read_text())["precision"] == "auto"
        assert trained_in_bf16(out, "cpu") is bf16
    assert not same(tmp_path / "bf16", tmp_path / "float32")


def test_an_interrupted_training_goes_on_in_its_precision_on_another_machine(world: World, tmp_path: Path) -> None:
    with other_cpu(bf16=True):
        train(SHORT, *world, tmp_path / "whole")
        with stopped_at(3):
            train(SHORT, *world, tmp_path / "moved")
    with other_cpu(bf16=False):
        train(SHORT, *world, tmp_path / "moved")
    assert same(tmp_path / "whole", tmp_path / "moved")
    assert recorded_precision(tmp_path / "moved") == "bf16"


def test_a_training_interrupted_under_a_named_precision_goes_on_by_itself(world: World, tmp_path: Path) -> None:
    with stopped_at(3):
        train(replace(SHORT, precision="bf16"), *world, tmp_path)
    checkpoint = tmp_path / "checkpoints" / "last.pt"
    saved = torch.load(checkpoint, weights_only=True)
    saved["state"].pop("precision")  # as it was written before trainings chose
    torch.save(saved, checkpoint)
    with other_cpu(bf16=False):
        train(SHORT, *world, tmp_path)
    assert recorded_precision(tmp_path) == "bf16"


def test_a_finished_training_stays_finished_unless_another_precision_is_named(world: World, tmp_path: Path) -> None:
    def written() -> int:
        return (tmp_path / "model.safetensors").stat().st_mtime_ns

    with other_cpu(bf16=True):
        train(SHORT, *world, tmp_path)
    before = written()
    with other_cpu(bf16=False):
        train(SHORT, *world, tmp_path)
        train(replace(SHORT, precision="bf16"), *world, tmp_path)
    with pytest.raises(GymQAError, match=naming("precision", tmp_path)):
        train(replace(SHORT, precision="float32"), *world, tmp_path)
    assert written() == before


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_folder_of_a_version_without_choosing_stays_finished(precision: str, world: World, tmp_path: Path) -> None:
    train(replace(SHORT, precision=precision), *world, tmp_path)  # type: ignore[arg-type]
    settings = json.loads((tmp_path / "training.json").read_text())
    (tmp_path / "training.json").write_text(json.dumps({**settings, "precision": precision}))
    (tmp_path / "environment.json").write_text(json.dumps({"seed": 0}))
    before = (tmp_path / "model.safetensors").stat().st_mtime_ns
    train(SHORT, *world, tmp_path)
    train(replace(SHORT, precision=precision), *world, tmp_path)  # type: ignore[arg-type]
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == before
    assert trained_in_bf16(tmp_path, "cpu") is (precision == "bf16")


def test_3d_convolutions_are_not_trained_in_bf16_on_a_cpu_unless_it_is_named(tmp_path: Path) -> None:
    config = TrainConfig(algorithm=algorithm_named("supervised"), tracker="none")
    accelerator = start_accelerator(config, tmp_path)
    with other_cpu(bf16=True), torch.device("meta"):
        network = C3DConfig().build()
        assert training_precision("auto", accelerator, None, network).name == "float32"
        assert training_precision("bf16", accelerator, None, network).name == "bf16"


EACH_ITS_OWN = """
import os
from accelerate import PartialState
from gymqa.errors import GymQAError
from gymqa.runtime.precision import Precision
from recognizers.distributed import agreed_precision

state = PartialState(cpu=True)
rank = state.process_index

def choose():
    return Precision("bf16" if rank == 0 else "float32", f"by {rank}")

def refuse():
    raise GymQAError(f"refused by {rank}")

said = [str(agreed_precision(choose, rank == 0))]
try:
    agreed_precision(refuse, rank == 0)
except GymQAError as error:
    said.append(str(error))
print("; ".join(said), flush=True)
state.destroy_process_group()
"""


@pytest.mark.slow
def test_of_two_processes_the_first_one_chooses(tmp_path: Path) -> None:
    (tmp_path / "each.py").write_text(EACH_ITS_OWN)
    ran = warm.launch([str(tmp_path / "each.py")])
    assert ran.returncode == 0, ran.stderr
    said = [line for line in ran.stdout.splitlines() if not line.startswith("[Gloo]")]
    assert said == ["precision: bf16 (by 0); refused by 0"] * 2
