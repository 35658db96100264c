"""Training: learns, goes on exactly where it was killed, says what is wrong, and predicts with clip ids."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_world import CONFIG, MODEL, same, weights

from gymqa.errors import GymQAError
from gymqa.frames import FrameCache
from gymqa.runs import read_metrics
from gymqa.splits import Splits
from recognizers.algorithms import algorithm_named
from recognizers.backbones.image_vit import ImageViT, ViTConfig
from recognizers.batches import ClipBatches
from recognizers.optimization import make_optimizer, rate_factor
from recognizers.predict import predict
from recognizers.sefar import SeFAR
from recognizers.train import train


def test_learns_the_order_of_time_from_labelled_clips(world: tuple[FrameCache, Splits], tmp_path: Path) -> None:
    cache, splits = world
    config = replace(
        CONFIG, algorithm=algorithm_named("supervised"), steps=120, log_every=20, checkpoint_every=120, ema_decay=0.9
    )
    model = SeFAR.from_pretrained(train(config, cache, splits, tmp_path / "out"))
    found = predict(model, cache, splits.val)
    right = [int(found[clip.id].argmax()) == clip.label for clip in splits.val]
    assert np.mean(right) >= 0.9
    losses = [line["loss"] for line in read_metrics(tmp_path / "out" / "metrics.jsonl")]
    assert losses[-1] < losses[0] / 2


def test_a_finished_run_is_not_done_again_and_other_settings_are_refused(
    world: tuple[FrameCache, Splits], tmp_path: Path
) -> None:
    cache, splits = world
    train(CONFIG, cache, splits, tmp_path)
    stamp = (tmp_path / "model.safetensors").stat().st_mtime_ns
    train(CONFIG, cache, splits, tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mtime_ns == stamp
    with pytest.raises(GymQAError, match="trained with another seed"):
        train(replace(CONFIG, seed=1), cache, splits, tmp_path)
    (tmp_path / "training.json").unlink()
    with pytest.raises(GymQAError, match=r"another seed"):
        train(replace(CONFIG, seed=1), cache, splits, tmp_path)


def test_a_model_that_started_from_other_weights_is_not_taken_for_this_one(
    world: tuple[FrameCache, Splits], tmp_path: Path
) -> None:
    vit = ViTConfig(MODEL.image_size, MODEL.patch_size, MODEL.dim, MODEL.depth, MODEL.heads)
    config = replace(CONFIG, steps=4, initial=str(tmp_path / "vit"))
    ImageViT(vit).save_pretrained(tmp_path / "vit")
    train(config, *world, tmp_path / "a")
    ImageViT(vit).save_pretrained(tmp_path / "vit")
    with pytest.raises(GymQAError, match="trained with another initial_weights"):
        train(config, *world, tmp_path / "a")


def test_labels_outside_the_classes_and_classes_without_clips_are_refused(
    world: tuple[FrameCache, Splits], tmp_path: Path
) -> None:
    cache, splits = world
    wrong = replace(splits, labelled=[replace(splits.labelled[0], label=2), *splits.labelled[1:]])
    with pytest.raises(GymQAError, match=r"has label 2"):
        train(CONFIG, cache, wrong, tmp_path)
    with pytest.raises(GymQAError, match=r"classes \[2\] have no labelled clip"):
        train(replace(CONFIG, model=replace(MODEL, n_classes=3)), cache, splits, tmp_path)


def test_a_loss_that_explodes_stops_and_names_clips(world: tuple[FrameCache, Splits], tmp_path: Path) -> None:
    cache, splits = world
    wild = replace(CONFIG, learning_rate=1e30, clip_norm=0.0, optimizer="sgd", rate_warm_up_steps=0)
    with pytest.raises(GymQAError, match=r"the loss is (nan|inf) at step \d+, with clips V"):
        train(wild, cache, splits, tmp_path)


def test_clips_that_did_not_decode_are_left_out(world: tuple[FrameCache, Splits], tmp_path: Path) -> None:
    cache, splits = world
    lost = replace(splits.val[0], id="LOST_E_000000_000009_A_0000_0001")
    more = replace(splits, unlabelled=[*splits.unlabelled, lost])
    train(CONFIG, cache, more, tmp_path / "a")
    train(CONFIG, cache, splits, tmp_path / "b")
    assert same(tmp_path / "a", tmp_path / "b")
    found = predict(SeFAR.from_pretrained(tmp_path / "a"), cache, [*splits.val, lost])
    assert lost.id not in found


def test_bf16_training_with_the_students_own_labels_keeps_all_gradients(
    world: tuple[FrameCache, Splits], tmp_path: Path
) -> None:
    cache, splits = world
    fixmatch = replace(algorithm_named("fixmatch"), threshold=0.0)
    train(replace(CONFIG, algorithm=fixmatch, precision="bf16", warm_up_steps=0), cache, splits, tmp_path / "out")
    torch.manual_seed(CONFIG.seed)
    fresh = SeFAR(MODEL).state_dict()
    assert all(not torch.equal(fresh[name], tensor) for name, tensor in weights(tmp_path / "out").items())


def test_batches_follow_from_seed_and_step_and_use_every_clip_before_repeating(
    world: tuple[FrameCache, Splits],
) -> None:
    cache, splits = world
    stream = ClipBatches(cache, splits.labelled, (2, 2, 4), 4, (0, 0))
    again = ClipBatches(cache, splits.labelled, (2, 2, 4), 4, (0, 0))
    for step in (3, 0):
        first, second = stream.at(step), again.at(step)
        assert first.clip_ids == second.clip_ids
        assert torch.equal(first.frames, second.frames)
    one_round = [clip for step in range(5) for clip in stream.at(step).clip_ids][:20]
    assert sorted(one_round[:10]) == sorted(one_round[10:]) == sorted(clip.id for clip in splits.labelled)
    assert one_round[:10] != one_round[10:]
    assert ClipBatches(cache, splits.labelled, (2, 2, 4), 4, (1, 0)).at(0).clip_ids != stream.at(0).clip_ids


def test_processes_share_a_batch_between_them(world: tuple[FrameCache, Splits]) -> None:
    cache, splits = world
    whole = ClipBatches(cache, splits.labelled, (2, 2, 4), 4, (0, 0)).at(1)
    halves = [ClipBatches(cache, splits.labelled, (2, 2, 4), 4, (0, 0), (rank, 2)).at(1) for rank in (0, 1)]
    assert halves[0].clip_ids == whole.clip_ids[::2]
    assert torch.equal(halves[1].frames, whole.frames[1::2])
    with pytest.raises(GymQAError, match="cannot be shared"):
        ClipBatches(cache, splits.labelled, (2, 2, 4), 3, (0, 0), (0, 2))


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
