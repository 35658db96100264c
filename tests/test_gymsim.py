"""GymSim: the movement shows what the label says, and a release is complete, seeded and in FineGym's format."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gymqa.annotations import open_release, read_element_list
from gymqa.atomic import read_json
from gymqa.errors import GymQAError
from gymqa.sim.camera import Camera
from gymqa.sim.elements import ELEMENTS, SETS, SimElement, decisions
from gymqa.sim.motion import BAR_GAP, FPS, HIGH_BAR, LOW_BAR, Motion, perform
from gymqa.sim.release import ReleaseConfig, render_release
from gymqa.sim.skeleton import Build
from gymqa.sim.stills import Stills, sample_stills
from gymqa.video import decode

TINY = ReleaseConfig(train_videos=2, val_videos=1, raw_videos=1, size=64, seed=3)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return render_release(tmp_path_factory.mktemp("release"), TINY)


def _perform(name: str, event: str, seed: int = 0) -> Motion:
    element = next(e for e in ELEMENTS if e.name == name and e.event == event)
    return perform(element, Build(), np.random.default_rng(seed))


def _body_axis(motion: Motion) -> np.ndarray:
    axis = motion.joints[:, 1] - motion.joints[:, 0]
    return axis / np.linalg.norm(axis, axis=1, keepdims=True)


def _somersault_degrees(motion: Motion) -> float:
    """Signed rotation of the long axis, positive when the head tips to where the chest looks at first."""
    axis, front = _body_axis(motion), motion.front[0]
    angle = np.unwrap(np.arctan2(axis @ front, axis @ axis[0]))
    return float(np.degrees(angle[-1] - angle[0]))


def test_the_elements_cover_four_events_eight_sets_and_differ_in_their_decisions() -> None:
    assert {e.event for e in ELEMENTS} == {"VT", "FX", "BB", "UB"}
    assert len(ELEMENTS) == 24
    assert {e.set_id for e in ELEMENTS} == set(SETS) and len(SETS) >= 8
    for set_id in SETS:
        trees = [tuple(decisions(e)) for e in ELEMENTS if e.set_id == set_id]
        assert len(set(trees)) == len(trees)
        assert len({tuple(question for question, _ in tree) for tree in trees}) == 1


@pytest.mark.parametrize(
    ("name", "event", "degrees"),
    [
        ("salto forward tucked", "FX", 360),
        ("salto backward tucked", "FX", -360),
        ("double salto backward tucked", "FX", -720),
        ("salto forward tucked", "BB", 360),
        ("giant circle forward", "UB", 360),
        ("giant circle backward", "UB", -360),
    ],
)
def test_the_body_turns_as_often_and_in_the_direction_that_the_name_says(name: str, event: str, degrees: float) -> None:
    for seed in range(5):
        assert _somersault_degrees(_perform(name, event, seed)) == pytest.approx(degrees, abs=25)


def test_a_twist_shows_the_chest_to_every_side_and_no_twist_does_not() -> None:
    def chest_across(name: str) -> float:
        motion = _perform(name, "FX")
        side = np.cross(motion.front[0], [0.0, 0.0, 1.0])
        return float(np.abs(motion.front @ side).max())

    assert chest_across("salto backward stretched with 1 twist") > 0.95
    assert chest_across("salto backward stretched") < 0.05


def test_the_flight_is_ballistic() -> None:
    motion = _perform("salto backward stretched", "FX")
    high = motion.centre[:, 2] > motion.centre[:, 2].max() - 0.4
    gravity = np.diff(motion.centre[high, 2], 2)
    assert np.allclose(gravity, gravity.mean(), rtol=1e-6) and gravity.mean() < 0
    assert np.allclose(np.diff(motion.centre[:, :2], 2, axis=0), 0, atol=1e-9)


def test_the_hands_stay_on_the_bar_in_a_giant_and_the_feet_start_on_the_floor() -> None:
    giant = _perform("giant circle backward with 1 turn to handstand", "UB")
    hands = (giant.joints[:, 5] + giant.joints[:, 8]) / 2
    assert np.allclose(hands, [0.0, 0.0, HIGH_BAR], atol=1e-6)
    assert _perform("split jump", "FX").joints[0, :, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert _perform("split jump", "BB").joints[0, :, 2].min() == pytest.approx(1.25, abs=1e-6)


def test_a_transition_goes_to_the_other_bar() -> None:
    down, up = (_perform(f"transition flight from {way} bar", "UB") for way in ("high bar to low", "low bar to high"))
    high, low = [0.0, 0.0, HIGH_BAR], [BAR_GAP, 0.0, LOW_BAR]
    for motion, start, end in ((down, high, low), (up, low, high)):
        hands = (motion.joints[:, 5] + motion.joints[:, 8]) / 2
        assert np.allclose(hands[0], start, atol=0.05) and np.allclose(hands[-1], end, atol=0.05)


@pytest.mark.parametrize("element", ELEMENTS, ids=lambda e: f"{e.event} {e.name}")
def test_clips_last_between_0_8_and_2_seconds_and_stay_finite(element: SimElement) -> None:
    for seed in range(3):
        motion = perform(element, Build.sample(np.random.default_rng(seed)), np.random.default_rng(seed))
        assert 0.8 * FPS <= motion.frames <= 2.0 * FPS
        assert np.isfinite(motion.joints).all()
        bones = np.linalg.norm(motion.joints[:, 10] - motion.joints[:, 9], axis=1)
        assert np.allclose(bones, bones[0])  # limbs are rigid


def test_the_camera_keeps_the_athlete_in_the_frame() -> None:
    inside = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        motion = perform(ELEMENTS[seed % 24], Build.sample(rng), rng)
        pixels, _ = Camera.follow(motion.centre, 64, rng).project(motion.joints)
        inside.append(((pixels >= 0) & (pixels < 64)).all(-1).mean())
    assert np.mean(inside) > 0.95


def test_stills_carry_the_joints_that_the_picture_shows() -> None:
    stills = sample_stills(3, 2, 48, np.random.default_rng(0))
    assert stills.images.shape == (6, 48, 48, 3) and stills.targets.shape == (6, 51)
    assert np.allclose(np.linalg.norm(stills.targets[:, 45:48], axis=1), 1, atol=1e-5)


def test_free_poses_show_leg_shapes_that_no_element_has() -> None:
    def bend(stills: Stills) -> NDArray[np.float32]:  # how much nearer the ankles are to the hips than straight legs
        joints = stills.targets[:, :30].reshape(-1, 15, 2)
        return np.linalg.norm(joints[:, [9, 12]] - joints[:, [11, 14]], axis=-1)

    performed, free = (sample_stills(60, 1, 48, np.random.default_rng(0), share) for share in (0.0, 1.0))
    assert free.images.shape == performed.images.shape
    assert bend(free).std() > 1.2 * bend(performed).std()
    joints = free.targets[:, :30].reshape(-1, 15, 2)
    assert (np.abs(joints) < 0.5).all(-1).mean() > 0.9  # still in the picture


def test_a_release_opens_as_a_finegym_release(release: Path) -> None:
    opened = open_release(release)
    assert opened.taxonomy.setting == "gymsim24" and len(opened.taxonomy.elements) == 24
    train = read_element_list(release / "annotations" / "gymsim24_train_element.txt", 24)
    val = read_element_list(release / "annotations" / "gymsim24_val_element.txt", 24)
    assert len(train) == 48 and len(val) == 24 and len({clip.id for clip in train + val}) == 72
    assert not {clip.video_id for clip in train} & {clip.video_id for clip in val}
    assert all(opened.clip_path(clip.id).is_file() for clip in train + val)
    twins = [element for element in opened.taxonomy.elements if opened.taxonomy.twin(element.label)]
    assert len(twins) == 16  # eight pairs that differ in direction only


def test_the_raw_video_shows_each_clip_at_the_annotated_second(release: Path) -> None:
    manifest = read_json(release / "manifests" / "gymsimT0000.json")
    raw = decode(release / "videos" / "gymsimT0000.mp4").astype(float)
    for event in manifest["events"]:
        for clip in event["clips"]:
            frames = decode(release / "subactions" / f"{clip['id']}.mp4").astype(float)
            start = event["start"] * FPS + round(clip["timestamps"][0] * FPS)
            assert np.abs(raw[start : start + len(frames)] - frames).mean() < 6


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(release: Path, tmp_path: Path) -> None:
    name = sorted(path.name for path in (release / "subactions").iterdir())[0]
    again = render_release(tmp_path / "again", TINY, workers=1)
    assert (again / "subactions" / name).read_bytes() == (release / "subactions" / name).read_bytes()
    assert (again / "annotations" / "finegym_annotation_info.json").read_bytes() == (
        release / "annotations" / "finegym_annotation_info.json"
    ).read_bytes()
    other = render_release(tmp_path / "other", replace(TINY, seed=4, train_videos=1, raw_videos=0))
    frames = [sorted((root / "subactions").glob("gymsimT0000*"))[0].read_bytes() for root in (release, other)]
    assert frames[0] != frames[1]


def test_a_stopped_release_goes_on_with_what_is_missing(release: Path) -> None:
    lost = sorted((release / "subactions").iterdir())[0]
    kept = sorted((release / "subactions").iterdir())[-1]
    before = kept.stat().st_mtime_ns
    content = lost.read_bytes()
    lost.unlink()
    render_release(release, TINY)
    assert lost.read_bytes() == content
    assert kept.stat().st_mtime_ns == before


def test_a_release_of_other_settings_is_refused(release: Path) -> None:
    with pytest.raises(GymQAError, match="other settings"):
        render_release(release, replace(TINY, seed=9))


@pytest.mark.parametrize("size", [48, 65])
def test_a_size_that_could_not_be_read_back_is_refused(size: int) -> None:
    with pytest.raises(GymQAError, match=str(size)):
        ReleaseConfig(size=size)
