"""Skeletons through the one training loop: views, mixing, exact resumption, prediction, features."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from encoders.features.extract import extract
from encoders.video.sefar import SeFAREncoder
from eval.metrics.accuracy import accuracies
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import Splits
from gymqa.frames.controls import ControlledFrames
from gymqa.frames.keypoints import write_keypoints
from gymqa.frames.modality import mirrored
from gymqa.frames.pose_cache import PoseCache
from gymqa.frames.skeletons import GYMSIM15
from gymqa.frames.views import source_of
from gymqa.sim.elements import EVENTS
from gymqa.sim.pose_labels import TYPICAL, detect, video_joints
from gymqa.sim.release import ReleaseConfig
from gymqa.sim.repertoire import REPERTOIRES
from recognizers.backbones.stgcn import STGCNConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.config import TrainConfig
from recognizers.factory import load_recognizer
from recognizers.model_card import ModelFacts, model_card
from recognizers.predict import Views, predict
from recognizers.ssl.algorithms import SEFAR, algorithm_named
from recognizers.ssl.augment import AugmentConfig, strong_view, to_model, weak_view
from recognizers.ssl.mixing import draw_mix, mix_frames
from recognizers.ssl.pose_augment import drop_joints, jitter
from recognizers.training.train import train
from tests.helpers.naming import naming

STILL = AugmentConfig(crop_area=(1, 1), crop_ratio=(1, 1), flip=0, operations=0, channel_dropout=0)
MODEL = STGCNConfig(n_frames=8, width=4, skeleton="gymsim15", dropout=0.1, n_classes=24)
FIXMATCH = replace(algorithm_named("fixmatch"), threshold=0.05)
CONFIG = TrainConfig(
    precision="float32",
    model=MODEL, algorithm=FIXMATCH, initial="none", steps=6, warm_up_steps=1, labelled_batch=6, unlabelled_batch=6,
    checkpoint_every=2, log_every=2, tracker="none",
)  # fmt: skip
World = tuple[PoseCache, Splits]


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Detected joints of five competitions: one labelled, two not, two for validation."""
    root, clips, rng = tmp_path_factory.mktemp("posed"), [], np.random.default_rng(0)
    release = ReleaseConfig(train_videos=3, val_videos=2, raw_videos=0, size=64)
    for video in release.video_ids:
        for place, seen in enumerate(video_joints(release, video)):
            clips.append(Clip(f"{video}_E_000000_000099_A_{place:04d}_{place + 1:04d}", video, seen.label))
            found = detect(seen.pixels, seen.depth, seen.pixels_per_metre, 64, rng, TYPICAL)
            write_keypoints(root / "found" / f"{clips[-1].id}.npz", found, (64, 64), GYMSIM15.joints)
    cache = PoseCache.build(root / "poses", [clip.id for clip in clips], root / "found", "gymsim15")
    assert len(cache) == 120
    return cache, Splits(clips[:24], [replace(clip, label=None) for clip in clips[24:72]], clips[72:])


def some_poses(batch: int = 4, frames: int = 8, joints: int = 15) -> Tensor:
    rng = Generator().manual_seed(3)
    poses = torch.rand(batch, frames, joints, 3, generator=rng) * 1.2 - 0.6
    poses[..., 2] = poses[..., 2].abs() + 0.1
    poses[:, :, 4] = 0  # never found
    return poses


def test_a_pose_lies_in_a_view_where_its_picture_shows_it() -> None:
    """A bright spot at each joint's place, through the view of the same draws."""
    rng = np.random.default_rng(0)
    for strong in (False, True):
        for seed in range(8):
            place = rng.uniform(-0.5, 0.5, 2)
            x, y = ((place + 1) * 64).astype(int)
            frames = torch.zeros(1, 4, 128, 128, 3, dtype=torch.uint8)
            frames[:, :, y - 2 : y + 3, x - 2 : x + 3] = 255
            poses = torch.zeros(1, 4, 15, 3)
            poses[:, :, 0] = torch.tensor([*((np.array([x, y]) + 0.5) / 64 - 1), 1.0])
            config = AugmentConfig(channel_dropout=0, magnitude=4.0 if strong else 0.0)
            views = []
            for clip in (frames, poses):
                draws = Generator().manual_seed(seed)
                if strong:  # no jitter: only where the picture goes
                    modality = "gradient" if clip is frames else "pose"
                    with pytest.MonkeyPatch.context() as patch:
                        patch.setattr("recognizers.ssl.augment.JITTER", 0.0)
                        views.append(strong_view(clip, 128, config, (4,), "none", draws, modality))  # type: ignore[arg-type]
                else:
                    views.append(weak_view(clip, 128, config, draws))
            bright = (views[0][0, 0, 0] > 0.5).nonzero().float().mean(0).flip(0)  # x, y
            if bright.isfinite().all():  # else the spot is outside the view
                torch.testing.assert_close(views[1][0, 0, 0, :2], (bright + 0.5) / 64 - 1, atol=0.04, rtol=0)
                assert views[1][0, 0, 0, 2] == 1


def test_a_mirror_exchanges_left_and_right_and_leaves_lost_joints_lost() -> None:
    poses = some_poses()
    assert torch.equal(weak_view(poses, 1, STILL, Generator()), poses)
    turned = weak_view(poses, 1, replace(STILL, flip=1.0), Generator())
    left, right = GYMSIM15.joints.index("left_knee"), GYMSIM15.joints.index("right_knee")
    torch.testing.assert_close(turned[:, :, left], poses[:, :, right] * torch.tensor([-1.0, 1, 1]))
    assert not turned[:, :, GYMSIM15.mirrored[4]].any()
    np.testing.assert_allclose(mirrored(poses.numpy(), "pose"), turned.numpy(), atol=1e-6)
    twice = weak_view(turned, 1, replace(STILL, flip=1.0), Generator())
    torch.testing.assert_close(twice, poses)
    assert torch.equal(to_model(poses, 1), poses)


def test_strong_views_jitter_lose_joints_and_perturb_time() -> None:
    poses = some_poses(batch=200)
    shaken = jitter(poses, 0.1, Generator().manual_seed(0))
    assert not shaken[:, :, 4].any() and torch.equal(shaken[..., 2], poses[..., 2])
    assert (shaken - poses)[:, :, 0, :2].std() == pytest.approx(0.1, rel=0.1)
    lost = drop_joints(poses, 0.3, Generator().manual_seed(0)).abs().sum((1, 3)) == 0  # [B, J], in all frames
    assert lost[:, [0, *range(5, 15)]].float().mean() == pytest.approx(0.3, abs=0.05)
    backward = strong_view(poses, 1, STILL, (8,), "reverse", Generator(), "pose")
    assert torch.equal(backward, poses.flip(1))


def test_mixed_skeletons_take_each_joint_from_one_of_two_clips() -> None:
    poses, elements = some_poses(), (3, 5)
    plan = draw_mix(4, 2, MODEL.mix_parts, 10.0, Generator().manual_seed(0))
    mixed = mix_frames(poses, plan, elements)
    for clip in range(4):
        for element, frames in enumerate((slice(0, 3), slice(3, 8))):
            for joint in range(15):
                giver = clip if plan.mask[clip, element, joint] else int(plan.partner[clip])
                assert torch.equal(mixed[clip, frames, joint], poses[giver, frames, joint])
    assert 0 < plan.mask.float().mean() < 1


@pytest.mark.slow
def test_the_apparatus_is_learnt_from_detected_joints(posed: World, tmp_path: Path) -> None:
    cache, splits = posed
    elements = REPERTOIRES["gymsim24"].elements
    events = [[replace(clip, label=EVENTS.index(elements[clip.label or 0].event)) for clip in part]
              for part in (splits.labelled, splits.val[:24], splits.val[24:])]  # fmt: skip
    clips = Splits(events[0] + events[1], [], events[2])
    model = replace(MODEL, width=8, dropout=0.0, head_dropout=0.0, n_classes=4)
    config = replace(CONFIG, model=model, algorithm=algorithm_named("supervised"), steps=60, learning_rate=3e-3,
                     labelled_batch=16, augment=STILL, ema_decay=0.9)  # fmt: skip
    out = train(config, cache, clips, tmp_path / "model")
    found = predict(load_recognizer(out), cache, clips.val)
    right = accuracies([clip.label or 0 for clip in clips.val], [int(found[clip.id].argmax()) for clip in clips.val])
    assert right["top1"] > 0.6  # chance is 25 %


@pytest.mark.slow
def test_sefar_mixes_skeletons_and_the_model_predicts_and_gives_tokens(posed: World, tmp_path: Path) -> None:
    cache, splits = posed
    out = train(replace(CONFIG, algorithm=SEFAR, steps=2), cache, splits, tmp_path / "model")
    found = predict(load_recognizer(out), cache, splits.val[:5], views=Views(temporal=2))
    assert all(row.shape == (24,) and row.sum() == pytest.approx(1, abs=1e-4) for row in found.values())
    encoder = SeFAREncoder(out)
    assert (encoder.n_tokens, encoder.dim) == (2, 16)
    ids = [clip.id for clip in splits.val[:5]]
    store = extract(encoder, cache, ids, tmp_path / "features", views=3)
    assert len(store) == 15
    assert not torch.equal(store.get([ids[0]]), store.get([f"{ids[0]}@1"]))
    reversed_ = ControlledFrames(cache, "reversed")
    other = extract(encoder, reversed_, ids, tmp_path / "reversed")
    assert not torch.equal(other.get([ids[0]]), store.get([ids[0]]))


def test_pictures_and_other_joints_are_refused(posed: World, tmp_path: Path) -> None:
    cache, splits = posed
    coco = replace(CONFIG, model=replace(MODEL, skeleton="coco17"))
    with pytest.raises(GymQAError, match=naming(cache.folder, "gymsim15", "--skeleton coco17")):
        train(coco, cache, splits, tmp_path / "coco")
    tsn = TSNConfig(image_size=16, width=4, architecture="resnet18", modality="pose", n_classes=24)
    with pytest.raises(GymQAError, match=naming(cache.folder, "gymsim15", "stgcn")):
        train(replace(CONFIG, model=tsn), cache, splits, tmp_path / "tsn")
    with pytest.raises(GymQAError, match=naming(cache.folder, "pose", "rgb")):
        train(replace(CONFIG, model=replace(tsn, modality="rgb")), cache, splits, tmp_path / "rgb")
    with pytest.raises(GymQAError, match=naming(tmp_path, "gymqa poses")):
        source_of("pose", tmp_path)
    with pytest.raises(GymQAError, match=naming("spatial_views")):
        predict(MODEL.build(), cache, splits.val, views=Views(spatial=3))


def test_a_card_says_which_skeleton_a_model_sees() -> None:
    card = model_card("me/stgcn", MODEL.build(), ModelFacts(license="mit", dataset="GymSim"))
    assert "8 frames of pose of the skeleton gymsim15" in card and "clips [B, 8, 15, 3]" in card
