"""Training: learns, goes on exactly where it was killed, says what is wrong, and predicts with clip ids."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from eval.metrics import read_class_predictions
from gymqa.annotations import Clip
from gymqa.errors import GymQAError
from gymqa.frames import FrameCache
from gymqa.runs import read_metrics
from gymqa.splits import Splits
from gymqa.video import write_video
from recognizers.algorithms import algorithm_named
from recognizers.augment import AugmentConfig
from recognizers.backbones.image_vit import ImageViT, ViTConfig
from recognizers.batches import ClipBatches
from recognizers.config import TrainConfig
from recognizers.optimization import make_optimizer, rate_factor
from recognizers.predict import predict, save_predictions
from recognizers.sefar import SeFAR, SeFARConfig
from recognizers.train import train

MODEL = SeFARConfig(image_size=16, patch_size=8, dim=16, depth=2, heads=2, fusion_dim=16, n_classes=2, drop_path=0.1)
MILD = AugmentConfig(crop_area=(0.8, 1.0), operations=1, magnitude=3.0)
CONFIG = TrainConfig(
    model=MODEL, augment=MILD, initial="none", steps=12, warm_up_steps=3, labelled_batch=6, unlabelled_batch=6,
    learning_rate=3e-3, checkpoint_every=4, log_every=2,
)  # fmt: skip

PLAIN = replace(  # nothing is drawn but clips and frames, which all processes draw alike
    CONFIG,
    algorithm=algorithm_named("supervised"),
    model=replace(MODEL, head_dropout=0.0, drop_path=0.0),
    augment=AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0),
)


def make_world(folder: Path) -> tuple[FrameCache, Splits]:
    """Clips of a bright bar going down (class 0) or up (class 1): told apart by the order of frames only."""
    rng = np.random.default_rng(0)
    clips = [Clip(f"V{i:02d}_E_000000_000009_A_0000_0001", f"V{i:02d}", i % 2) for i in range(36)]
    for clip in clips:
        frames = np.full((16, 32, 32, 3), rng.integers(20, 90), np.uint8)
        for t in range(16):
            row = 2 * min(14, t + int(rng.integers(0, 2)))
            frames[t if clip.label == 0 else 15 - t, row : row + 4] = rng.integers(190, 250)
        write_video(folder / "videos" / f"{clip.id}.mp4", frames, 10)
    paths = {clip.id: folder / "videos" / f"{clip.id}.mp4" for clip in clips}
    cache = FrameCache.build(folder / "cache", paths, paths.__getitem__, 16, 16, workers=1)
    return cache, Splits(clips[:10], [replace(clip, label=None) for clip in clips[10:24]], clips[24:])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[FrameCache, Splits]:
    return make_world(tmp_path_factory.mktemp("world"))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def same(a: Path, b: Path) -> bool:
    mine, other = weights(a), weights(b)
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


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


@pytest.mark.parametrize("name", ["sefar", "flexmatch"])
def test_a_run_stopped_by_an_error_and_started_again_equals_one_that_was_not(
    name: str, world: tuple[FrameCache, Splits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, splits = world
    config = replace(CONFIG, algorithm=replace(algorithm_named(name), threshold=0.5))
    train(config, cache, splits, tmp_path / "whole")
    at = ClipBatches.at

    def stops(self: ClipBatches, step: int) -> object:
        if step == 7:
            raise KeyboardInterrupt
        return at(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(ClipBatches, "at", stops)
        with pytest.raises(KeyboardInterrupt):
            train(config, cache, splits, tmp_path / "halved")
    train(config, cache, splits, tmp_path / "halved")
    assert same(tmp_path / "whole", tmp_path / "halved")
    lines = [read_metrics(tmp_path / run / "metrics.jsonl") for run in ("whole", "halved")]
    assert lines[0] == lines[1]
    assert [line["step"] for line in lines[0]] == [2, 4, 6, 8, 10, 12]


def test_a_run_killed_and_started_again_gives_bit_equal_weights(
    world: tuple[FrameCache, Splits], tmp_path: Path
) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    script = (
        "import sys, time; from pathlib import Path; sys.path.insert(0, sys.argv[3]); sys.path.insert(0, 'tests')\n"
        "from gymqa.frames import FrameCache; from gymqa.splits import read_splits\n"
        "import recognizers.train as t; from test_train import CONFIG\n"
        "slow = lambda *a: (time.sleep(0.1), original(*a))[1]\n"
        "original, t.step_loss = t.step_loss, slow\n"
        "t.train(CONFIG, FrameCache(Path(sys.argv[1])), read_splits(Path(sys.argv[2])), Path(sys.argv[4]))\n"
    )
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", script, str(cache.folder), str(tmp_path / "splits"), str(root)]
    process = subprocess.Popen([*command, str(tmp_path / "killed")], cwd=root)
    checkpoint = tmp_path / "killed" / "checkpoints" / "last.pt"
    while not checkpoint.exists():
        time.sleep(0.02)
        assert process.poll() is None, "ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    for name in ("killed", "whole"):
        subprocess.run([*command, str(tmp_path / name)], cwd=root, check=True)
    assert same(tmp_path / "whole", tmp_path / "killed")


def launch(processes: int, out: Path, cache: FrameCache, splits: Path, on_cpu: str) -> subprocess.CompletedProcess[str]:
    """Train without anything random, in so many processes; each prints how many it sees."""
    root = Path(__file__).resolve().parents[1]
    script = out.parent / "script.py"
    script.write_text(
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        f"sys.path[:0] = [{str(root)!r}, {str(root / 'tests')!r}]\n"
        "from accelerate import Accelerator; from gymqa.frames import FrameCache\n"
        "from gymqa.splits import read_splits; from recognizers.train import train; from test_train import PLAIN\n"
        "train(PLAIN, FrameCache(Path(sys.argv[1])), read_splits(Path(sys.argv[2])), Path(sys.argv[3]))\n"
        "print('processes', Accelerator().num_processes)\n"
    )
    environment = {**os.environ, "ACCELERATE_USE_CPU": on_cpu, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    words = [str(script), str(cache.folder), str(splits), str(out)]
    return subprocess.run([*command, *words], env=environment, capture_output=True, text=True, check=False)


def test_two_processes_give_the_losses_and_weights_of_one(world: tuple[FrameCache, Splits], tmp_path: Path) -> None:
    cache, splits = world
    splits.write(tmp_path / "splits")
    for processes in (1, 2):
        ran = launch(processes, tmp_path / str(processes), cache, tmp_path / "splits", "true")
        assert ran.returncode == 0, ran.stderr[-2000:]
        # a launcher that quietly starts single processes would make this test compare a run with itself
        assert ran.stdout.count(f"processes {processes}") == processes
    one, two = (weights(tmp_path / str(processes)) for processes in (1, 2))
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=1e-4, rtol=1e-3)
    losses = [[line["loss"] for line in read_metrics(tmp_path / n / "metrics.jsonl")] for n in ("1", "2")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_processes_that_do_not_know_of_each_other_are_refused(
    world: tuple[FrameCache, Splits], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(GymQAError, match="2 processes were started"):
        train(CONFIG, *world, tmp_path)


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


def test_a_damaged_checkpoint_is_named(world: tuple[FrameCache, Splits], tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.pt").write_bytes(b"half")
    with pytest.raises(GymQAError, match=r"last\.pt is damaged"):
        train(CONFIG, *world, tmp_path)


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


def test_predictions_come_back_from_their_file(world: tuple[FrameCache, Splits], tmp_path: Path) -> None:
    cache, splits = world
    model = SeFAR(MODEL)
    found = predict(model, cache, splits.val, batch_size=5)
    assert all(row.shape == (2,) and row.sum() == pytest.approx(1, abs=1e-5) for row in found.values())
    lost = replace(splits.val[0], id="LOST_E_000000_000009_A_0000_0001")
    save_predictions(tmp_path / "p.jsonl", [*splits.val, lost], found, {lost.id: "it is empty"})
    back = read_class_predictions(tmp_path / "p.jsonl")
    assert list(back.by_clip()) == list(found)
    assert all(np.allclose(back.by_clip()[clip], found[clip], atol=1e-5) for clip in found)
    assert back.errors == {lost.id: "it is empty"}


def test_bf16_and_float32_predictions_are_close(world: tuple[FrameCache, Splits]) -> None:
    cache, splits = world
    torch.manual_seed(0)
    model = SeFAR(MODEL)
    plain, quick = (predict(model, cache, splits.val, bf16=bf16) for bf16 in (False, True))
    assert all(np.allclose(plain[clip], quick[clip], atol=0.03) for clip in plain)


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
