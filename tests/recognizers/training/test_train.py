"""Training: learns, goes on exactly where it was killed, says what is wrong, and predicts with clip ids."""

import importlib.util
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import recognizers.training.train as training
from gymqa.errors import GymQAError
from gymqa.frames.cache import FrameCache
from gymqa.frames.cache_format import FrameFormat
from gymqa.runtime.runs import read_metrics
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.image.vit import ImageViT, ViTConfig
from recognizers.backbones.sefar import SeFAR
from recognizers.backbones.tsn import TSNConfig
from recognizers.factory import load_recognizer
from recognizers.loader import ClipBatches
from recognizers.predict import predict
from recognizers.ssl.algorithms import algorithm_named
from recognizers.ssl.losses import StepLoss
from recognizers.training.checkpoint import LAST, STOPPED
from recognizers.training.optimization import make_optimizer, rate_factor
from recognizers.training.train import train
from tests.helpers.naming import does_name, naming
from tests.helpers.objective_example import NAME
from tests.helpers.training_world import CONFIG, MODEL, PLAIN, World, same, weights

BATCH_NORM = TSNConfig(image_size=16, width=4, n_classes=2)


@pytest.mark.slow
def test_learns_the_order_of_time_from_labelled_clips(world: World, tmp_path: Path) -> None:
    cache, splits = world
    config = replace(
        CONFIG, algorithm=algorithm_named("supervised"), steps=120, log_every=20, checkpoint_every=120, ema_decay=0.9
    )
    model = load_recognizer(train(config, cache, splits, tmp_path / "out"))
    found = predict(model, cache, splits.val)
    right = [int(found[clip.id].argmax()) == clip.label for clip in splits.val]
    assert np.mean(right) >= 0.9
    losses = [line["loss"] for line in read_metrics(tmp_path / "out" / "metrics.jsonl")]
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
def test_a_finished_run_is_not_done_again_and_other_settings_are_refused(world: World, tmp_path: Path) -> None:
    cache, splits = world
    train(CONFIG, cache, splits, tmp_path)
    stamp = (tmp_path / "model.safetensors").stat().st_mtime_ns
    train(CONFIG, cache, splits, tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(GymQAError, match=naming(tmp_path, "seed")):
        train(replace(CONFIG, seed=1), cache, splits, tmp_path)
    (tmp_path / "training.json").unlink()
    with pytest.raises(GymQAError, match=naming("seed")):
        train(replace(CONFIG, seed=1), cache, splits, tmp_path)


def test_a_model_that_started_from_other_weights_is_not_taken_for_this_one(world: World, tmp_path: Path) -> None:
    vit = ViTConfig(MODEL.image_size, MODEL.patch_size, MODEL.dim, MODEL.depth, MODEL.heads)
    config = replace(CONFIG, steps=4, initial=str(tmp_path / "vit"))
    ImageViT(vit).save_pretrained(tmp_path / "vit")
    train(config, *world, tmp_path / "a")
    ImageViT(vit).save_pretrained(tmp_path / "vit")
    with pytest.raises(GymQAError, match=naming(tmp_path / "a", "initial_weights")):
        train(config, *world, tmp_path / "a")


def test_labels_outside_the_classes_and_classes_without_clips_are_refused(world: World, tmp_path: Path) -> None:
    cache, splits = world
    wrong = replace(splits, labelled=[replace(splits.labelled[0], label=2), *splits.labelled[1:]])
    with pytest.raises(GymQAError, match=naming("label 2")):
        train(CONFIG, cache, wrong, tmp_path)
    with pytest.raises(GymQAError, match=naming([2])):
        train(replace(CONFIG, model=replace(MODEL, n_classes=3)), cache, splits, tmp_path)


def test_a_loss_that_explodes_stops_names_clips_and_keeps_the_state_before_the_step(
    world: World, tmp_path: Path
) -> None:
    cache, splits = world
    wild = replace(CONFIG, learning_rate=1e30, clip_norm=0.0, optimizer="sgd", rate_warm_up_steps=0)
    with pytest.raises(GymQAError, match=r"(nan|inf) .*step \d+") as raised:
        train(wild, cache, splits, tmp_path / "wild")
    step = int(re.findall(r"step (\d+)", str(raised.value))[0])
    kept = torch.load(tmp_path / "wild" / STOPPED, weights_only=True)["state"]
    assert kept["step"] == step
    batch = ClipBatches(cache, splits.labelled, MODEL, CONFIG.labelled_batch, (CONFIG.seed, 0)).at(step)
    assert all(clip in str(raised.value) for clip in batch.clip_ids)
    assert not (tmp_path / "wild" / "model.safetensors").exists()


def spoil_step_6(folder: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[StepLoss], StepLoss]) -> None:
    """Spoil the loss of the step that follows the third line of the log."""
    original = training.step_loss

    def spoiled(*arguments: Any) -> StepLoss:
        loss = original(*arguments)
        return spoil(loss) if len(read_metrics(folder / "metrics.jsonl")) == 3 else loss

    monkeypatch.setattr(training, "step_loss", spoiled)


def assert_kept(folder: Path, *further: str) -> None:
    """What is kept of a training that stopped at step 6 is its last checkpoint."""
    kept, last = (torch.load(folder / name, weights_only=True)["state"] for name in (STOPPED, LAST))
    assert kept["step"] == last["step"] == 6
    for part in ("student", "teacher", "weighting", *further):
        assert all(torch.equal(tensor, last[part][name]) for name, tensor in kept[part].items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "objectives"), [(MODEL, (NAME,)), (BATCH_NORM, ())], ids=["sefar and an objective", "batch norm"]
)
def test_the_state_kept_is_that_before_the_step(
    model: ModelConfig, objectives: tuple[str, ...], world: World, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    flexmatch = replace(algorithm_named("flexmatch"), threshold=0.5, objectives=objectives)
    spoil_step_6(tmp_path, monkeypatch, lambda loss: replace(loss, total=loss.total * torch.nan))
    with pytest.raises(GymQAError, match=naming("step 6")):
        train(replace(CONFIG, model=model, algorithm=flexmatch, checkpoint_every=1), *world, tmp_path)
    assert_kept(tmp_path, *["objectives"] * len(objectives))


def with_infinite_gradient(loss: StepLoss) -> StepLoss:
    loss.total.register_hook(lambda gradient: gradient * torch.inf)
    return loss


@pytest.mark.slow
@pytest.mark.parametrize(("clip_norm", "model"), [(0.0, MODEL), (1.0, MODEL), (1.0, BATCH_NORM)])
def test_a_gradient_that_is_not_finite_is_not_stepped_on(
    clip_norm: float, model: ModelConfig, world: World, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    spoil_step_6(tmp_path, monkeypatch, with_infinite_gradient)
    with pytest.raises(GymQAError, match=r"(nan|inf) .*step 6\b"):
        train(replace(CONFIG, model=model, clip_norm=clip_norm, checkpoint_every=1), *world, tmp_path)
    assert_kept(tmp_path)


def test_frames_smaller_than_the_model_looks_at_are_refused(world: World, tmp_path: Path) -> None:
    large = replace(CONFIG, model=replace(MODEL, image_size=32))
    with pytest.raises(GymQAError, match=naming("16 px", "32 px", "--size 32")):
        train(large, *world, tmp_path)


@pytest.mark.slow
def test_a_cache_of_other_frames_is_not_taken_for_the_one_before(world: World, tmp_path: Path) -> None:
    cache, splits = world
    train(replace(CONFIG, steps=4), cache, splits, tmp_path / "out")
    videos = cache.folder.parent / "videos"
    ids = [clip.id for clip in (*splits.labelled, *splits.unlabelled)]
    for name, frames, stored in (("fewer", 8, "raw"), ("pictures", 16, "jpeg")):
        folder = tmp_path / name
        other = FrameCache.build(
            folder, ids, lambda clip: videos / f"{clip}.mp4", 16, frames, 1, cast(FrameFormat, stored)
        )
        with pytest.raises(GymQAError, match=naming(tmp_path / "out", "clips")):
            train(replace(CONFIG, steps=4), other, splits, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["supervised", "fixmatch"])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(name: str, world: World, tmp_path: Path) -> None:
    config = replace(PLAIN, algorithm=replace(algorithm_named(name), threshold=0.0))
    for parts in (1, 3):
        train(replace(config, accumulation=parts), *world, tmp_path / str(parts))
    one, three = (weights(tmp_path / str(parts)) for parts in (1, 3))
    for part in one:
        torch.testing.assert_close(one[part], three[part], atol=1e-5, rtol=1e-3)
    losses = [[line["loss"] for line in read_metrics(tmp_path / n / "metrics.jsonl")] for n in ("1", "3")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.slow
def test_float16_overflows_leave_the_weights_and_lower_the_scale(world: World, tmp_path: Path) -> None:
    for name in ("sgd", "adamw"):
        config = replace(PLAIN, precision="fp16", steps=30, optimizer=name, learning_rate=1e-2)
        train(config, *world, tmp_path / name)
        state = torch.load(tmp_path / name / LAST, weights_only=True)["state"]
        assert 0 < state["scaler"]["scale"] <= 65536.0
        losses = [line["loss"] for line in read_metrics(tmp_path / name / "metrics.jsonl")]
        assert losses[-1] < losses[0]


@pytest.mark.exhaustive
@pytest.mark.slow
def test_compiling_changes_no_name_and_hardly_a_weight(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled, called = torch.compile, []

    def eager(*words: Any, **options: Any) -> Any:
        called.append(words)
        return compiled(*words, **options, backend="eager")  # inductor takes a minute

    monkeypatch.setattr(torch, "compile", eager)
    sefar = replace(PLAIN, algorithm=algorithm_named("sefar"), steps=5)
    for switch in (False, True):
        train(replace(sefar, compile=switch), *world, tmp_path / str(switch))
    plain, built = (weights(tmp_path / name) for name in ("False", "True"))
    assert len(called) == 2 and plain.keys() == built.keys()
    for name in plain:
        torch.testing.assert_close(plain[name], built[name], atol=1e-4, rtol=1e-3)


def test_a_missing_tensorboard_is_a_hint_and_a_missing_wandb_an_error(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    train(replace(CONFIG, steps=4, tracker="tensorboard"), *world, tmp_path / "a")
    assert does_name(capsys.readouterr().err, "TensorBoard")
    with pytest.raises(GymQAError, match=naming("Weights & Biases")):
        train(replace(CONFIG, tracker="wandb"), *world, tmp_path / "b")


def test_tensorboard_gets_every_line(world: World, tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(replace(CONFIG, tracker="tensorboard"), *world, tmp_path)
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    logged = [(event.step, pytest.approx(event.value, rel=1e-5)) for event in found.Scalars("loss")]
    assert [(line["step"], line["loss"]) for line in read_metrics(tmp_path / "metrics.jsonl")] == logged


@pytest.mark.slow
def test_clips_that_did_not_decode_are_left_out(world: World, tmp_path: Path) -> None:
    cache, splits = world
    lost = replace(splits.val[0], id="LOST_E_000000_000009_A_0000_0001")
    more = replace(splits, unlabelled=[*splits.unlabelled, lost])
    train(CONFIG, cache, more, tmp_path / "a")
    train(CONFIG, cache, splits, tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")
    found = predict(load_recognizer(tmp_path / "a"), cache, [*splits.val, lost])
    assert lost.id not in found


@pytest.mark.slow
def test_bf16_training_with_the_students_own_labels_keeps_all_gradients(world: World, tmp_path: Path) -> None:
    cache, splits = world
    fixmatch = replace(algorithm_named("fixmatch"), threshold=0.0)
    train(replace(CONFIG, algorithm=fixmatch, precision="bf16", warm_up_steps=0), cache, splits, tmp_path / "out")
    torch.manual_seed(CONFIG.seed)
    fresh = SeFAR(MODEL).state_dict()
    assert all(not torch.equal(fresh[name], tensor) for name, tensor in weights(tmp_path / "out").items())


def test_batches_follow_from_seed_and_step_and_use_every_clip_before_repeating(world: World) -> None:
    cache, splits = world
    stream = ClipBatches(cache, splits.labelled, MODEL, 4, (0, 0))
    again = ClipBatches(cache, splits.labelled, MODEL, 4, (0, 0))
    for step in (3, 0):
        first, second = stream.at(step), again.at(step)
        assert first.clip_ids == second.clip_ids
        assert torch.equal(first.frames, second.frames)
    one_round = [clip for step in range(5) for clip in stream.at(step).clip_ids][:20]
    assert sorted(one_round[:10]) == sorted(one_round[10:]) == sorted(clip.id for clip in splits.labelled)
    assert one_round[:10] != one_round[10:]
    assert ClipBatches(cache, splits.labelled, MODEL, 4, (1, 0)).at(0).clip_ids != stream.at(0).clip_ids


def test_processes_share_a_batch_between_them(world: World) -> None:
    cache, splits = world
    whole = ClipBatches(cache, splits.labelled, MODEL, 4, (0, 0)).at(1)
    halves = [ClipBatches(cache, splits.labelled, MODEL, 4, (0, 0), (rank, 2)).at(1) for rank in (0, 1)]
    assert halves[0].clip_ids == whole.clip_ids[::2]
    assert torch.equal(halves[1].frames, whole.frames[1::2])
    with pytest.raises(GymQAError, match=naming(3, 2)):
        ClipBatches(cache, splits.labelled, MODEL, 3, (0, 0), (0, 2))


def test_learning_rates_follow_their_schedule() -> None:
    paper = replace(CONFIG, schedule="step", steps=300, steps_per_epoch=10, rate_warm_up_steps=0)
    assert [rate_factor(paper, epoch * 10) for epoch in (0, 24, 25, 27, 28, 29)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    cosine = replace(CONFIG, schedule="cosine", steps=100, rate_warm_up_steps=10)
    assert rate_factor(cosine, 0) == pytest.approx(0.1)
    assert rate_factor(cosine, 50) == pytest.approx(0.5)


def test_norms_biases_and_embeddings_do_not_decay() -> None:
    model = SeFAR(MODEL)
    optimizer = make_optimizer(replace(CONFIG, backbone_rate=0.1), model)
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    decays = {name_of[id(p)]: group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    scale = {name_of[id(p)]: group["scale"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decays) == len(name_of)
    assert decays["backbone.patch_embed.weight"] == decays["head.weight"] == CONFIG.weight_decay
    for name in ("backbone.pos_embed", "backbone.time_embed", "backbone.norm.weight", "head.bias"):
        assert decays[name] == 0
    assert (scale["backbone.norm.weight"], scale["head.weight"]) == (0.1, 1.0)


def test_settings_survive_a_round_trip_through_json() -> None:
    assert json.loads(json.dumps(asdict(CONFIG)))["model"]["elements"] == [2, 2, 4]
