"""A tuning in several processes learns what one does, whether they hold copies or parts of the model."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from encoders.mllm.model import GymMLLM
from encoders.tuning.clips import TuningMaterial
from encoders.tuning.finetune import Tuning
from encoders.tuning.state import is_sharded
from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.runtime.runs import read_metrics
from tests.helpers import mllm_examples, warm
from tests.helpers.mllm_examples import ExampleFeatures
from tests.helpers.naming import naming
from tests.helpers.places import ROOT
from tests.helpers.tuning_world import SCRIPT, SMALL, TuningWorld, make_tuning_world, tuned


@pytest.fixture(scope="module")
def small(gymsim_root: Path, tmp_path_factory: pytest.TempPathFactory) -> TuningWorld:
    return make_tuning_world(gymsim_root, tmp_path_factory.mktemp("tuning"))


def alike(one: Path, two: Path) -> None:
    """The same losses and weights, but for the order that numbers are added in."""
    losses = [[line["loss"] for line in read_metrics(out / "metrics.jsonl")] for out in (one, two)]
    assert len(losses[0]) == 10 and losses[1] == pytest.approx(losses[0], rel=1e-3)
    mine, other = tuned(one), tuned(two)
    assert mine.keys() == other.keys()
    for name in mine:
        torch.testing.assert_close(other[name], mine[name], atol=5e-4, rtol=1e-2)


@pytest.mark.slow
def test_two_processes_give_the_losses_and_weights_of_one(small: TuningWorld, tmp_path: Path) -> None:
    file = small.recipe(tmp_path, replace(SMALL, accumulation=2), **small.pseudo)
    assert cli.main(["finetune", "--config", str(file), "--out", str(tmp_path / "one")]) == 0
    words = ["--config", str(file), "--out", str(tmp_path / "two")]
    both = warm.launch([SCRIPT, *words])
    assert both.returncode == 0, both.stderr
    assert "in 2 processes" in (tmp_path / "two" / "log.txt").read_text()
    assert both.stdout.count("/tiny-llama, 6 steps") == 1
    alike(tmp_path / "one", tmp_path / "two")


@pytest.mark.exhaustive
@pytest.mark.slow
def test_fsdp2_gives_the_losses_and_weights_of_one_process_and_goes_on_and_a_blind_model_is_whole(
    tmp_path: Path,
) -> None:
    clips = mllm_examples.clips()
    material = TuningMaterial(ExampleFeatures(clips), tuple(clips), mllm_examples.taxonomy())
    Tuning(material, replace(SMALL, workers=0), tmp_path / "one").run()
    for out, *words in (["cut", "5"], ["cut", "0"], ["blind", "0", "blind"]):  # stopped after 5, on from 4
        ran = warm.launch(["-m", "tests.helpers.fsdp_tuner", str(tmp_path / out), *words])
        assert ran.returncode == 0, ran.stderr[-3000:]
        assert ran.stdout.count("DTensor") == 2, "both processes hold parts"
    alike(tmp_path / "one", tmp_path / "cut")
    model = GymMLLM.from_pretrained(tmp_path / "blind")  # which refuses a projector without its tensors
    assert model.config.blind and all(one.isfinite().all() for one in model.projector.parameters())


def test_the_first_version_of_fsdp_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accelerator = Accelerator(cpu=True)
    assert not is_sharded(accelerator)
    monkeypatch.setitem(accelerator.state._shared_state, "distributed_type", DistributedType.FSDP)
    monkeypatch.setitem(accelerator.state._shared_state, "fsdp_plugin", FullyShardedDataParallelPlugin(fsdp_version=1))
    with pytest.raises(GymQAError, match=naming("recipes/accelerate/fsdp2.yaml")):
        is_sharded(accelerator)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_killed_tuning_gives_the_bits_of_one_that_was_not(small: TuningWorld, tmp_path: Path) -> None:
    words = [str(tmp_path / name) for name in ("killed", "whole")]
    ran = warm.run(["-m", "tests.helpers.killing_tuner", *words])
    assert ran.returncode == 0, ran.stderr[-2000:]
    steps = [int(word) for word in ran.stdout.split()[2:]]
    assert len(set(steps)) > 2 and min(steps) < SMALL.caption_steps < max(steps), steps
    assert (tmp_path / "killed" / "metrics.jsonl").read_text() == (tmp_path / "whole" / "metrics.jsonl").read_text()
    mine, other = tuned(tmp_path / "killed"), tuned(tmp_path / "whole")
    assert all(torch.equal(mine[name], other[name]) for name in other)
    left = [path.name for path in (tmp_path / "killed").rglob(".*") if path.is_file()]
    assert left == [], f"half-written files in {os.path.relpath(tmp_path, ROOT)}"
