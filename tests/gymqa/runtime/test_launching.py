"""Several processes learn what one does, however they were started; those that cannot are refused."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
import yaml

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.runtime.launching import start_processes
from gymqa.runtime.precision import recorded_precision
from gymqa.runtime.runs import read_metrics, resolved
from recognizers.config import TrainConfig
from recognizers.ssl.algorithms import SEFAR
from recognizers.training.train import train
from tests.helpers.launched import ACCELERATE, SCRIPT, run
from tests.helpers.naming import does_name, naming
from tests.helpers.other_cpu import other_cpu
from tests.helpers.places import ROOT
from tests.helpers.training_world import CONFIG, PLAIN, World, weights

# The teacher, its labels and the perturbation, without anything that each process draws for itself.
SURE = replace(
    PLAIN, algorithm=replace(SEFAR, passes=1, mix_weight=0.0, weighting="confidence"), validate_every=6, steps=8
)


def recipe(folder: Path, config: TrainConfig, world: World) -> Path:
    """A recipe for these settings, its splits and frames beside it."""
    cache, splits = world
    replace(splits, val=splits.val[:6], test=splits.val[6:]).write(folder / "splits")
    values = {"splits": str(folder / "splits"), "frames": str(cache.folder), "training": resolved(config)}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(values))
    return folder / "recipe.yaml"


@pytest.mark.slow
def test_two_processes_give_the_losses_and_weights_of_one(world: World, tmp_path: Path) -> None:
    file = str(recipe(tmp_path, SURE, world))
    assert cli.main(["train", "--config", file, "--out", str(tmp_path / "one")]) == 0
    out = tmp_path / "two"
    ran = run([*ACCELERATE, "--num_processes", "2", "--cpu", SCRIPT, "--config", file, "--out", str(out)])
    assert ran.returncode == 0, ran.stderr
    assert "in 2 processes" in (out / "log.txt").read_text()
    lines = [read_metrics(folder / "metrics.jsonl") for folder in (tmp_path / "one", out)]
    for name in ("loss", "supervised", "unlabelled", "confidence", "val_top1"):
        one, two = ([line[name] for line in found if name in line] for found in lines)
        assert one and two == pytest.approx(one, rel=1e-3), name
    mine, other = weights(tmp_path / "one"), weights(out)
    for name in mine:
        torch.testing.assert_close(mine[name], other[name], atol=1e-4, rtol=1e-3)


def test_the_number_of_processes_may_stand_behind_the_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "")  # set by what is tested, and put back
    started: list[str] = []

    def exec_instead(path: str, command: list[str]) -> None:
        started.extend(command)
        raise SystemExit

    monkeypatch.setattr(os, "execv", exec_instead)
    with pytest.raises(SystemExit):
        start_processes("x.py", ["--seed", "1", "--num_processes", "2", "--cpu"])
    assert started[1:] == ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "x.py", "--seed", "1"]


SLEEPING = """
import os, sys, time
from gymqa.cli.main import attempt
from gymqa.runtime.launching import start_processes

def work(words):
    start_processes(__file__, words)
    with open(f"{__file__}.{os.environ['RANK']}", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(300)

sys.exit(attempt(work, sys.argv[1:]))
"""


@pytest.mark.exhaustive
@pytest.mark.slow
def test_when_accelerate_is_killed_its_processes_end(tmp_path: Path) -> None:
    script = tmp_path / "sleeping.py"
    script.write_text(SLEEPING)
    files = [tmp_path / f"sleeping.py.{rank}" for rank in range(2)]
    launcher = subprocess.Popen(
        [*ACCELERATE, "--num_processes", "2", "--cpu", str(script)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        wait_until(lambda: all(file.is_file() and file.read_text() for file in files), 120)
        running = [psutil.Process(int(file.read_text())) for file in files]
        between = running[0].parent()
        assert between is not None and between.ppid() == launcher.pid
    finally:
        launcher.kill()
        launcher.wait()
    wait_until(lambda: not any(process.is_running() for process in [*running, between]), 60)


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    """Wait for something to happen."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.exhaustive
@pytest.mark.slow
def test_accelerate_without_the_script_is_refused_where_it_starts_too_few(world: World, tmp_path: Path) -> None:
    file = str(recipe(tmp_path, PLAIN, world))
    words = ["--num_processes", "2", "--cpu", "-m", "gymqa.cli.main", "train"]
    ran = run([*ACCELERATE, *words, "--config", file, "--out", str(tmp_path / "out")])
    said = [line for line in ran.stderr.splitlines() if line.startswith("gymqa: ")]
    assert len(said) == 1 and does_name(said[0], "--num_processes")
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_processes_that_do_not_know_of_each_other_are_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(GymQAError, match=naming(2, "ACCELERATE_USE_CPU=true")):
        train(CONFIG, *world, tmp_path)


def test_a_precision_asked_of_accelerate_only_is_refused(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(GymQAError, match=naming("bf16", "float32", "--mixed_precision")):
        train(CONFIG, *world, tmp_path)


def test_a_training_that_chooses_takes_the_precision_that_accelerate_was_told(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with other_cpu(bf16=False):
        train(replace(CONFIG, precision="auto", steps=4), *world, tmp_path / "told")
        assert recorded_precision(tmp_path / "told") == "bf16"
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp8")
        with pytest.raises(GymQAError, match=naming("fp8", "--mixed_precision")):
            train(replace(CONFIG, precision="auto"), *world, tmp_path / "fp8")


@pytest.mark.parametrize("name", ["WORLD_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_one_of_several_processes_starts_no_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    assert start_processes("x.py", ["--seed", "1", "--num_processes", "2", "--cpu"]) == ["--seed", "1"]


def test_gpus_are_left_to_accelerate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(GymQAError, match=naming("--num_processes")):
        start_processes("x.py", ["--num_processes", "2"])


def test_batches_that_cannot_be_shared_are_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("labelled_batch", 6, 4)):
        replace(CONFIG, accumulation=4)
