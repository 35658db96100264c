"""A training that was stopped, however it was stopped, goes on to the weights of one that was not."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gymqa.errors import GymQAError
from gymqa.io.files import only_writer
from gymqa.runtime.runs import read_metrics
from recognizers.loader import ClipBatches
from recognizers.ssl.algorithms import algorithm_named
from recognizers.training.checkpoint import load_checkpoint, save_checkpoint
from recognizers.training.train import train
from tests.helpers import warm
from tests.helpers.full_disk import disk_full_at, full_disk
from tests.helpers.naming import naming
from tests.helpers.training_world import CONFIG, World, same, stopped_at


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("sefar", {}),
        ("flexmatch", {}),
        ("sefar", {"precision": "fp16", "optimizer": "sgd", "accumulation": 2}),
        ("fixmatch", {"precision": "bf16", "final": "student", "validate_every": 3}),
    ],
)
def test_a_run_stopped_by_an_error_and_started_again_equals_one_that_was_not(
    name: str, changes: dict[str, object], world: World, tmp_path: Path
) -> None:
    cache, splits = world
    algorithm = replace(algorithm_named(name), threshold=0.5)
    config = replace(CONFIG, algorithm=algorithm, **changes)  # type: ignore[arg-type]
    splits = replace(splits, val=splits.val[:6], test=splits.val[6:])
    train(config, cache, splits, tmp_path / "whole")
    with stopped_at(7):
        train(config, cache, splits, tmp_path / "halved")
    train(config, cache, splits, tmp_path / "halved")
    assert same(tmp_path / "whole", tmp_path / "halved")
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "halved")]
    assert lines[0] == lines[1]
    assert [line["step"] for line in lines[0] if "loss" in line] == [2, 4, 6, 8, 10, 12]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_a_run_killed_again_and_again_gives_bit_equal_weights(world: World, tmp_path: Path) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    names = ("splits", "killed", "whole")
    words = ["-m", "tests.helpers.killing_trainer", str(cache.folder), *(str(tmp_path / name) for name in names)]
    ran = warm.run(words)
    assert ran.returncode == 0, ran.stderr[-2000:]
    steps = [int(word) for word in ran.stdout.split()[2:]]
    assert len(set(steps)) > 3, f"the kills came at different steps: {steps}"
    assert same(tmp_path / "whole", tmp_path / "killed")
    killed, whole = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("killed", "whole"))
    assert killed == whole
    left = [path.name for path in (tmp_path / "killed").rglob(".*") if path.is_file()]
    assert left == [], "half-written files were cleared away"


@pytest.mark.slow
def test_a_run_may_go_on_with_other_threads_and_another_log(world: World, tmp_path: Path) -> None:
    cache, splits = world
    train(CONFIG, cache, splits, tmp_path / "a")
    other = replace(CONFIG, workers=3, log_every=5, checkpoint_every=100)
    train(replace(other, workers=0), cache, splits, tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")
    train(other, cache, splits, tmp_path / "a")  # it is finished


@pytest.mark.slow
def test_a_checkpoint_of_another_architecture_is_named(world: World, tmp_path: Path) -> None:
    train(replace(CONFIG, steps=4), *world, tmp_path / "a")
    last = tmp_path / "a" / "checkpoints" / "last.pt"
    settings = {"of": "a test"}
    for part, wrong in (("student", {"head.weight": torch.zeros(3)}), ("optimizer", {}), ("step", None)):
        saved = torch.load(last, weights_only=True)["state"]
        (tmp_path / "a" / "training.json").unlink(missing_ok=True)
        real = torch.load(last, weights_only=True)["settings"]
        broken = {**saved, part: wrong} if wrong is not None else {}
        torch.save({"settings": real, "state": broken}, last)
        with pytest.raises(GymQAError, match=naming("last.pt")):
            train(replace(CONFIG, steps=4), *world, tmp_path / "a")
        torch.save({"settings": real, "state": saved}, last)
    save_checkpoint(tmp_path / "x.pt", settings, {"step": 1})
    with pytest.raises(GymQAError, match=naming("x.pt", "of")):
        load_checkpoint(tmp_path / "x.pt", {"of": "another"})


def test_a_damaged_checkpoint_is_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"half")
    with pytest.raises(GymQAError, match=naming("last.pt")):
        train(CONFIG, *world, tmp_path)


def test_two_runs_do_not_write_the_same_folder(world: World, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with (
        only_writer(tmp_path / "checkpoints", "the checkpoints in"),
        pytest.raises(GymQAError, match=naming(tmp_path / "checkpoints", "--out")),
    ):
        train(CONFIG, *world, tmp_path)


@pytest.mark.slow
def test_a_full_disk_stops_with_the_last_checkpoint_whole(world: World, tmp_path: Path) -> None:
    cache, splits = world
    train(CONFIG, cache, splits, tmp_path / "whole")
    refused = pytest.raises(GymQAError, match=naming("last.pt", "File too large"))
    with refused, disk_full_at(6, ClipBatches):  # the checkpoint of step 4 is written, that of step 8 is not yet
        train(replace(CONFIG, workers=0), cache, splits, tmp_path / "full")
    last = tmp_path / "full" / "checkpoints" / "last.pt"
    assert torch.load(last, weights_only=True)["state"]["step"] == 4
    train(CONFIG, cache, splits, tmp_path / "full")
    assert same(tmp_path / "whole", tmp_path / "full")


@pytest.mark.slow
def test_a_model_that_cannot_be_written_is_said_and_made_good(world: World, tmp_path: Path) -> None:
    cache, splits = world
    train(CONFIG, cache, splits, tmp_path)
    size = (tmp_path / "model.safetensors").stat().st_size
    (tmp_path / "training.json").unlink()
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(GymQAError, match=naming(tmp_path, "File too large")), full_disk(size // 2):
        train(CONFIG, cache, splits, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()
    train(CONFIG, cache, splits, tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size == size
