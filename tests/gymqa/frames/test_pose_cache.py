"""Poses: GymSim's joints lie where the athlete is drawn, a detector errs as said, foreign files are not trusted."""

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gymqa.cli import main as cli
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import read_element_list
from gymqa.frames.keypoints import read_keypoints, write_keypoints
from gymqa.frames.pose_cache import PoseCache
from gymqa.frames.skeletons import COCO17, GYMSIM15, OPENPOSE18, SKELETONS
from gymqa.frames.video import decode
from gymqa.sim.pose_labels import TYPICAL, DetectorConfig, body_size, detect, occluded, video_joints, write_joints
from gymqa.sim.release import ReleaseConfig, render_release
from gymqa.sim.render import Look
from gymqa.sim.scene import Arena
from gymqa.sim.skeleton import JOINTS
from tests.helpers.naming import does_name, naming

CONFIG = ReleaseConfig(train_videos=1, val_videos=1, raw_videos=0, size=64, seed=3)
CLIPS = [f"gymsimT0000_E_000002_000009_A_000{i}_000{i + 1}" for i in range(4)]
STANDING = np.array(  # pixels [15, 2]: upright, arms at the side, seen from the front
    [[50, 50], [50, 30], [50, 20], [55, 31], [56, 40], [57, 49], [45, 31], [44, 40], [43, 49],
     [53, 50], [53, 65], [53, 80], [47, 50], [47, 65], [47, 80]], dtype=float,
)  # fmt: skip


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_release(tmp_path_factory.mktemp("release"), CONFIG, workers=1)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_joints_are_added_and_nothing_else_changes(release: Path) -> None:
    before = files(release)
    assert cli.main(["render", "--out", str(release), "--joints", *_options()]) == 0
    after = files(release)
    added = after.keys() - before.keys()
    assert {name: after[name] for name in before} == before
    ids = {path.stem for path in (release / "subactions").iterdir()}
    assert added == {f"joints/{kind}/{clip}.npz" for kind in ("true", "detected") for clip in ids}
    assert write_joints(release, CONFIG) == 48
    assert files(release) == after


def _options() -> list[str]:
    sizes = {"train_videos": 1, "val_videos": 1, "raw_videos": 0, "size": 64, "seed": 3}
    return [word for name, value in sizes.items() for word in (f"--release.{name}", str(value))]


@pytest.mark.slow
def test_the_head_is_drawn_where_the_head_joint_is(release: Path) -> None:
    """Hair or face at the head joint of the video; seldom 15 pixels beside it."""
    write_joints(release, CONFIG)
    rng = np.random.default_rng((CONFIG.seed, 0))
    Arena.sample(CONFIG.size, rng)
    look = Look.sample(rng)
    there: list[bool] = []
    beside: list[bool] = []
    for path in sorted((release / "subactions").glob("gymsimT0000*")):
        frames, joints = decode(path).astype(int), read_keypoints(release / "joints" / "true" / f"{path.stem}.npz")
        assert joints.keypoints.shape == (len(frames), 15, 3) and joints.joints == JOINTS and joints.size == (64, 64)
        assert (joints.keypoints[..., 2] == 1).all()
        for shift, found in ((0, there), (15, beside)):
            at = joints.keypoints[:, 2, :2].round().astype(int) + np.array([shift, 0])
            inside = ((at >= 0) & (at < 64)).all(1)
            pixels = frames[inside.nonzero()[0], at[inside, 1], at[inside, 0]]
            found += [min(np.abs(pixel - colour).max() for colour in (look.hair, look.skin)) < 40 for pixel in pixels]
    assert len(there) > 500 and np.mean(there) > 0.7 and np.mean(beside) < 0.3


def test_detected_joints_are_true_ones_with_errors(release: Path) -> None:
    seen = list(video_joints(CONFIG, CONFIG.video_ids[0]))
    rng = np.random.default_rng(0)
    errors, confidence, absent = [], [], []
    for one in seen:
        found = detect(one.pixels, one.depth, one.pixels_per_metre, 64, rng, TYPICAL)
        inside = ((one.pixels >= 0) & (one.pixels < 64)).all(-1)
        reported = found[..., 2] > 0
        assert not found[~reported].any() and not reported[~inside].any()
        distance = np.linalg.norm(found[..., :2] - one.pixels, axis=-1) / body_size(one.pixels)[:, None]
        errors += distance[reported].tolist()
        confidence += found[..., 2][reported].tolist()
        absent += (~reported)[inside].tolist()
    assert 0.05 < np.mean(absent) < 0.3
    assert 0.02 < np.median(errors) < 0.15
    assert np.corrcoef(errors, confidence)[0, 1] < -0.3  # a detector is less sure of what is far off


def _detected(joints: np.ndarray, config: DetectorConfig = TYPICAL, frames: int = 4000) -> np.ndarray:
    still = np.repeat(joints[None], frames, axis=0)
    depth, pixels_per_metre = np.full(still.shape[:2], 8.0), np.full(frames, 30.0)
    return detect(still, depth, pixels_per_metre, 400, np.random.default_rng(0), config)


def test_errors_are_as_large_as_the_body_and_as_frequent_as_said() -> None:
    config = DetectorConfig(frame_missed=(0.0, 0.0), body_exchanged=(0.0, 0.0), reported=0.0)
    small, large = _detected(STANDING, config), _detected(STANDING * 4, config)
    np.testing.assert_allclose(large[..., :2], 4 * small[..., :2], rtol=1e-4)
    knee = small[:, JOINTS.index("left_knee")]
    assert (knee[:, 2] == 0).mean() == pytest.approx(0.10, abs=0.02)  # PoseFix's share, upright and still
    offsets = knee[knee[:, 2] > 0, :2] - STANDING[JOINTS.index("left_knee")]
    similarity = np.exp(-(offsets**2).sum(-1) / (2 * body_size(STANDING[None])[0] ** 2 * (2 * 0.087) ** 2))
    assert (similarity > 0.85).mean() == pytest.approx(0.74 / 0.90, abs=0.03)


def test_upside_down_moving_and_hidden_joints_are_missed_more_often() -> None:
    def lost(found: np.ndarray) -> float:
        return float((found[..., 2] == 0).mean())

    upright, turned = _detected(STANDING), _detected(100 - STANDING)
    assert lost(turned) > 1.8 * lost(upright)
    whole = DetectorConfig(frame_missed=(0.0, 0.0))
    assert lost(_detected(100 - STANDING, whole)) > 1.8 * lost(_detected(STANDING, whole))
    assert (turned[..., 2] == 0).all(1).mean() > 5 * (upright[..., 2] == 0).all(1).mean()
    shaken = np.repeat(STANDING[None], 4000, axis=0)
    shaken[:, 5, 0] += 60 * np.sin(np.arange(4000))
    depth = np.full(shaken.shape[:2], 8.0)
    moved = detect(shaken, depth, np.full(4000, 30.0), 400, np.random.default_rng(0), TYPICAL)
    assert lost(moved[:, 5]) > 1.5 * lost(upright[:, 5])
    behind = np.repeat(STANDING[None], 2, axis=0)
    behind[:, 5], depth = [50, 40], np.full((2, 15), 8.0)
    depth[:, 5] = 8.3
    assert occluded(behind, depth, np.full(2, 30.0))[0].nonzero()[0].tolist() == [5]
    depth[:, 5] = 7.7
    assert not occluded(behind, depth, np.full(2, 30.0)).any()


def test_left_and_right_are_exchanged_now_and_then() -> None:
    found = _detected(STANDING, DetectorConfig(frame_missed=(0.0, 0.0), body_exchanged=(0.5, 0.5)))
    left_ankle = found[found[:, 11, 2] > 0][:, 11, 0]
    assert (left_ankle < 50).mean() == pytest.approx(0.5, abs=0.06)


def test_a_mirrored_skeleton_exchanges_its_sides_and_maps_by_name() -> None:
    for skeleton in SKELETONS.values():
        order = skeleton.mirrored
        assert [order[place] for place in order] == list(range(len(skeleton)))
        assert len(skeleton.edges) == len(skeleton) - 1 and len(set(skeleton.joints)) == len(skeleton)
        edges = {frozenset(edge) for edge in skeleton.edges}
        assert {frozenset(order[joint] for joint in edge) for edge in edges} == edges
    assert [len(one) for one in (COCO17, GYMSIM15, OPENPOSE18)] == [17, 15, 18]
    assert COCO17.joints[5:9] == ("left_shoulder", "right_shoulder", "left_elbow", "right_elbow")
    assert COCO17.joints[:3] == ("nose", "left_eye", "right_eye")
    own = np.random.default_rng(0).random((4, 15, 3)).astype(np.float32)
    coco = COCO17.take(own, GYMSIM15.joints)
    np.testing.assert_array_equal(coco[:, 13], own[:, JOINTS.index("left_knee")])
    np.testing.assert_array_equal(coco[:, 0], own[:, JOINTS.index("head")])
    assert not coco[:, 1:5].any()  # GymSim has no eyes and ears


def test_a_pose_cache_gives_what_the_files_hold_and_says_what_is_missing(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, 100, (7, 17, 3)).astype(np.float32)
    keypoints[..., 2] /= 100
    keypoints[2, 3, 2] = 0
    write_keypoints(tmp_path / "in" / f"{CLIPS[0]}.npz", keypoints, (200, 100), COCO17.joints)
    people = [[{"keypoints": frame.ravel().tolist(), "score": 0.9}, {"keypoints": [1.0] * 51, "score": 0.1}]
              for frame in keypoints[:4]]  # fmt: skip
    content = {"width": 200, "height": 100, "frames": [*people, []]}
    (tmp_path / "in" / f"{CLIPS[1]}.json").write_text(json.dumps(content))
    write_keypoints(tmp_path / "in" / f"{CLIPS[2]}.npz", 0 * keypoints, (200, 100), COCO17.joints)
    (tmp_path / "list.txt").write_text("\n".join(CLIPS))
    cache = PoseCache.build(tmp_path / "out", CLIPS, tmp_path / "in")
    assert cache.clip_ids == CLIPS[:2] and cache.lengths(CLIPS[:2]).tolist() == [7, 5]
    assert does_name(cache.failures[CLIPS[2]], "joint") and does_name(cache.failures[CLIPS[3]], CLIPS[3])
    with pytest.raises(GymQAError, match=naming(CLIPS[3], tmp_path / "out")):
        cache.get(CLIPS[3])
    found = cache.gather(CLIPS[:2], np.array([[6, 2], [3, 4]]))
    assert found.dtype == np.float32 and found.shape == (2, 2, 17, 3)
    np.testing.assert_allclose(found[0, 0, :, 0], keypoints[6, :, 0] / 100 - 1, atol=1e-6)
    np.testing.assert_allclose(found[0, 0, :, 1], keypoints[6, :, 1] / 50 - 1, atol=1e-6)
    assert not found[0, 1, 3].any() and not found[1, 1].any()
    np.testing.assert_array_equal(found[1, 0], cache.get(CLIPS[0])[3])
    with pytest.raises(IndexError):
        cache.gather(CLIPS[:1], np.array([[7]]))
    assert pickle.loads(pickle.dumps(cache)).fingerprint() == cache.fingerprint()
    other = PoseCache.build(tmp_path / "other", CLIPS[:1], tmp_path / "in", "gymsim15")
    assert other.fingerprint() != cache.fingerprint() and other.get(CLIPS[0]).shape == (7, 15, 3)


def test_the_same_poses_give_the_same_bytes(tmp_path: Path) -> None:
    write_keypoints(tmp_path / f"{CLIPS[0]}.npz", np.ones((4, 17, 3), np.float32), (64, 64), COCO17.joints)
    made = set()
    for number in range(6):  # the order within the file's header was another in most of them
        PoseCache.build(tmp_path / str(number), [CLIPS[0], CLIPS[1]], tmp_path)
        made.add((tmp_path / str(number) / "poses.safetensors").read_bytes())
    assert len(made) == 1


@pytest.mark.slow
def test_gymsims_joints_become_a_cache_by_command(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_joints(release, CONFIG)
    clips = release / "annotations" / "gymsim24_val_element.txt"
    words = ["poses", str(release / "joints" / "detected"), "--skeleton", "gymsim15", "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--lists", str(clips)]) == 0
    assert f"{tmp_path / 'out'}: 24 clips, gymsim15" in capsys.readouterr().out
    cache = PoseCache(tmp_path / "out")
    ids = [clip.id for clip in read_element_list(clips)]
    assert cache.clip_ids == ids and not cache.failures
    poses = cache.get(ids[0])
    assert np.abs(poses[..., :2]).max() <= 1.5 and poses[..., 2].max() <= 1


def _npz(path: Path, **arrays: np.ndarray) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.npz", b"no zip", ()),
        ("a.json", b"[1]", ('"frames"',)),
        ("a.json", b'{"frames": [[{"keypoints": "x"}]], "width": 1, "height": 1}', ('"keypoints"',)),
        ("a.json", b'{"frames": [[{"keypoints": [1, 2]}]], "width": 1, "height": 1}', ()),
        ("a.json", b'{"frames": [[{"keypoints": [NaN' + b",1" * 50 + b']}]], "width": 9, "height": 9}', ("finite",)),
        ("a.json", b'{"frames": [[{"keypoints": [null]}]], "width": 1, "height": 1}', ()),
        ("a.json", b'{"frames": [[]], "width": "9", "height": 9}', ("9 × 9",)),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, name: str, content: bytes, said: tuple[str, ...]) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GymQAError, match=naming(name, *said)):
        read_keypoints(tmp_path / name)


@pytest.mark.slow
def test_nothing_is_unpickled_and_nothing_huge_unpacked(tmp_path: Path) -> None:
    _npz(tmp_path / "pickled.npz", keypoints=np.array([{"a": 1}], dtype=object), size=np.array([9, 9]))
    with pytest.raises(GymQAError, match=naming("pickled.npz")):
        read_keypoints(tmp_path / "pickled.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("keypoints.npy", bytes(65 << 20))
    with pytest.raises(GymQAError, match=naming("bomb.npz", "large")):
        read_keypoints(tmp_path / "bomb.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 17, 3)})
    with zipfile.ZipFile(tmp_path / "lie.npz", "w") as packed:
        packed.writestr("keypoints.npy", header.getvalue())
        size = io.BytesIO()
        np.save(size, np.array([9, 9]))
        packed.writestr("size.npy", size.getvalue())
    with pytest.raises(GymQAError, match=naming("lie.npz")):
        read_keypoints(tmp_path / "lie.npz")
    _npz(tmp_path / "flat.npz", keypoints=np.zeros((4, 51)), size=np.array([9, 9]))
    with pytest.raises(GymQAError, match=naming("flat.npz", [4, 51], "[frames, 17, 3]")):
        read_keypoints(tmp_path / "flat.npz")


def test_a_clip_id_cannot_lead_out_of_the_folder_and_a_damaged_cache_is_named(tmp_path: Path) -> None:
    with pytest.raises(GymQAError, match=naming("'../secret'")):
        PoseCache.build(tmp_path / "out", ["../secret"], tmp_path)
    with pytest.raises(GymQAError, match=naming(tmp_path / "nothing")):
        PoseCache.build(tmp_path / "out", CLIPS, tmp_path / "nothing")
    with pytest.raises(GymQAError, match=naming("'coco18'")):
        PoseCache.build(tmp_path / "out", CLIPS, tmp_path, "coco18")
    with pytest.raises(GymQAError, match=naming(tmp_path, "gymqa poses")):
        PoseCache(tmp_path)
    (tmp_path / "poses.safetensors").write_bytes(b"damaged")
    with pytest.raises(GymQAError, match=naming("poses.safetensors")):
        PoseCache(tmp_path)
