"""The best weights are chosen on a part of the training clips, and training is the same whether that is done or not."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eval.metrics.accuracy import accuracies
from eval.metrics.recognition import mean_class, read_class_predictions, top1
from gymqa.errors import GymQAError
from gymqa.runtime.runs import read_metrics
from recognizers.factory import load_recognizer
from recognizers.predict import predict, save_predictions
from recognizers.training.checkpoint import LAST
from recognizers.training.train import train
from recognizers.training.validation import validate
from tests.helpers.naming import naming
from tests.helpers.training_world import CONFIG, World, same

LOOKING = replace(CONFIG, validate_every=3, learning_rate=3e-2)


@pytest.fixture
def carved(world: World) -> World:
    """Splits whose val was taken from the training clips."""
    cache, splits = world
    return cache, replace(splits, val=splits.val[:8], test=splits.val[8:])


@pytest.mark.slow
def test_the_best_weights_become_the_model_and_the_last_are_kept(carved: World, tmp_path: Path) -> None:
    cache, splits = carved
    wrong = [replace(clip, label=1 - (clip.label or 0)) for clip in splits.val]  # the more is learnt, the worse it is
    splits = replace(splits, val=wrong)
    train(LOOKING, cache, splits, tmp_path / "a")
    looks = [line for line in read_metrics(tmp_path / "a" / "metrics.jsonl") if "val_top1" in line]
    assert [line["step"] for line in looks] == [3, 6, 9, 12]
    best = max(looks, key=lambda line: (line["val_top1"], -line["step"]))
    model = load_recognizer(tmp_path / "a")
    assert validate(model, cache, splits.val, bf16=False)["top1"] == best["val_top1"]
    last = torch.load(tmp_path / "a" / LAST, weights_only=True)["state"]
    assert last["step"] == 12 and last["best"] == {"value": best["val_top1"], "step": best["step"]}
    train(replace(LOOKING, validate_every=0), cache, splits, tmp_path / "b")
    end = load_recognizer(tmp_path / "b").state_dict()
    assert all(torch.equal(tensor, end[name]) for name, tensor in last["teacher"].items())
    assert best["step"] < 12 and not same(tmp_path / "a", tmp_path / "b")


def test_the_test_clips_are_never_chosen_on(world: World, tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("--val_from_train")):
        train(LOOKING, *world, tmp_path)


def test_accuracies_are_those_of_eval_and_a_lost_clip_is_wrong(carved: World, tmp_path: Path) -> None:
    cache, splits = carved
    torch.manual_seed(3)
    model = CONFIG.model.build()
    lost = replace(splits.val[0], id="LOST_E_000000_000009_A_0000_0001")
    clips = [*splits.val, lost]
    save_predictions(tmp_path / "p.jsonl", clips, predict(model, cache, clips))
    scored = read_class_predictions(tmp_path / "p.jsonl")
    found = validate(model, cache, clips, bf16=False)
    assert found == pytest.approx({"top1": top1(scored), "mean_class": mean_class(scored)})


def test_mean_class_weighs_classes_alike() -> None:
    found = accuracies([0, 0, 0, 2], [0, 0, 1, -1])
    assert found == {"top1": 0.5, "mean_class": pytest.approx((2 / 3 + 0) / 2)}


def test_no_val_clip_in_the_cache_is_said(carved: World, tmp_path: Path) -> None:
    cache, splits = carved
    lost = [replace(clip, id=f"LOST{i}_E_000000_000009_A_0000_0001") for i, clip in enumerate(splits.val)]
    with pytest.raises(GymQAError, match=naming("val.txt", cache.folder)):
        train(LOOKING, cache, replace(splits, val=lost), tmp_path)


@pytest.mark.slow
def test_what_the_machine_did_stands_apart_from_what_was_learnt(world: World, tmp_path: Path) -> None:
    train(CONFIG, *world, tmp_path)
    for line in read_metrics(tmp_path / "speed.jsonl"):
        assert line["training_clips_per_s"] > 0 and line["waited_s"] >= 0
        assert line["loader_clips_per_s"] > 0
    assert "clips_per_s" not in (tmp_path / "metrics.jsonl").read_text()
    assert json.loads((tmp_path / "environment.json").read_text())["device"] == "cpu"
    assert "trained sefar: 12 steps in" in (tmp_path / "log.txt").read_text()
