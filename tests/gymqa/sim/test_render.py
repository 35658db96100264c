"""GymSim: the movement shows what the label says, and the decision trees lead to the elements."""

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from gymqa.sim.elements import GYMSIM24, SimElement
from gymqa.sim.elements_99 import GYMSIM99
from gymqa.sim.motion import BAR_GAP, FPS, HIGH_BAR, LOW_BAR, Motion
from gymqa.sim.perform import perform
from gymqa.sim.repertoire import REPERTOIRES
from gymqa.sim.scene import Camera
from gymqa.sim.skeleton import Build
from gymqa.sim.stills import Stills, sample_stills


def _perform(name: str, event: str, seed: int = 0) -> Motion:
    element = next(e for e in GYMSIM99 if e.name == name and e.event == event)
    return perform(element, Build(), np.random.default_rng(seed))


def _body_axis(motion: Motion) -> np.ndarray:
    axis = motion.joints[:, 1] - motion.joints[:, 0]
    return axis / np.linalg.norm(axis, axis=1, keepdims=True)


def _somersault_degrees(motion: Motion) -> float:
    """Signed rotation of the long axis, positive when the head tips to where the chest looks at first."""
    axis, front = _body_axis(motion), motion.front[0]
    angle = np.unwrap(np.arctan2(axis @ front, axis @ axis[0]))
    return float(np.degrees(angle[-1] - angle[0]))


def test_the_repertoires_cover_four_events_and_their_sets() -> None:
    small, full = REPERTOIRES["gymsim24"], REPERTOIRES["gymsim99"]
    for repertoire, elements, sets in ((small, 24, 8), (full, 99, 14)):
        assert len(repertoire.elements) == elements and len(repertoire.sets) == sets
        assert {one.event for one in repertoire.elements} == {"VT", "FX", "BB", "UB"}
        assert len({(one.set_id, one.name) for one in repertoire.elements}) == elements
    assert {(one.set_id, one.name) for one in GYMSIM24} <= {(one.set_id, one.name) for one in GYMSIM99}


@pytest.mark.parametrize("name", REPERTOIRES)
def test_a_decision_tree_leads_to_one_element_and_the_way_so_far_says_what_is_asked_next(name: str) -> None:
    repertoire = REPERTOIRES[name]
    for set_id in repertoire.sets:
        ways = [repertoire.decisions(i) for i, one in enumerate(repertoire.elements) if one.set_id == set_id]
        assert len({tuple(way) for way in ways}) == len(ways)
        for way in ways:
            for depth in range(len(way)):
                alike = [other for other in ways if other[:depth] == way[:depth]]
                assert {other[depth][0] for other in alike} == {way[depth][0]}
        answers = {question: {value for way in ways for text, value in way if text == question}
                   for way in ways for question, _ in way}  # fmt: skip
        assert all(values == {True, False} for values in answers.values())  # no question that all answer alike


def test_every_name_says_the_turns_saltos_and_direction_that_the_body_makes() -> None:
    for element in GYMSIM99:
        off = element.name.rsplit(",", 1)[-1] if element.event == "VT" else element.name
        found = re.search(r"([\d.]+) (?:turn|twist)", off)
        if element.shape != "cartwheel":  # a round-off's half turn is in its name's meaning
            assert element.turns == (float(found[1]) if found else 0), element.name
        assert ("double" in element.name) == (element.saltos == 2), element.name
        if element.family in ("salto", "dismount") and element.shape not in ("split", "cartwheel"):
            assert {1: "forward", -1: "backward"}[element.direction] in element.name


@pytest.mark.parametrize(
    ("name", "event", "degrees"),
    [
        ("salto forward tucked", "FX", 360),
        ("salto backward tucked", "FX", -360),
        ("double salto backward tucked", "FX", -720),
        ("salto forward tucked", "BB", 360),
        ("giant circle forward", "UB", 360),
        ("giant circle backward", "UB", -360),
        ("stalder backward to handstand", "UB", -360),
        ("double salto backward piked", "FX", -720),
        ("flic-flac to land on both feet", "BB", -360),
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


@pytest.mark.parametrize("element", GYMSIM99, ids=lambda e: f"{e.event} {e.name}")
def test_clips_last_between_0_8_and_2_4_seconds_and_stay_finite(element: SimElement) -> None:
    for seed in range(3):
        motion = perform(element, Build.sample(np.random.default_rng(seed)), np.random.default_rng(seed))
        assert 0.8 * FPS <= motion.frames <= 2.4 * FPS
        assert np.isfinite(motion.joints).all()
        bones = np.linalg.norm(motion.joints[:, 10] - motion.joints[:, 9], axis=1)
        assert np.allclose(bones, bones[0])  # limbs are rigid


def test_the_camera_keeps_the_athlete_in_the_frame() -> None:
    inside = []
    for seed in range(99):
        rng = np.random.default_rng(seed)
        motion = perform(GYMSIM99[seed], Build.sample(rng), rng)
        pixels, _ = Camera.follow(motion.centre, 64, rng).project(motion.joints)
        inside.append(((pixels >= 0) & (pixels < 64)).all(-1).mean())
    assert np.mean(inside) > 0.95


def test_stills_carry_the_joints_that_the_picture_shows() -> None:
    stills = sample_stills(3, 2, 48, np.random.default_rng(0))
    assert stills.images.shape == (6, 48, 48, 3) and stills.targets.shape == (6, 51)
    assert np.allclose(np.linalg.norm(stills.targets[:, 45:48], axis=1), 1, atol=1e-5)


@pytest.mark.slow
def test_free_poses_show_leg_shapes_that_no_element_has() -> None:
    def bend(stills: Stills) -> NDArray[np.float32]:  # how much nearer the ankles are to the hips than straight legs
        joints = stills.targets[:, :30].reshape(-1, 15, 2)
        return np.linalg.norm(joints[:, [9, 12]] - joints[:, [11, 14]], axis=-1)

    performed, free = (sample_stills(60, 1, 48, np.random.default_rng(0), share) for share in (0.0, 1.0))
    assert free.images.shape == performed.images.shape
    assert bend(free).std() > 1.2 * bend(performed).std()
    joints = free.targets[:, :30].reshape(-1, 15, 2)
    assert (np.abs(joints) < 0.5).all(-1).mean() > 0.9  # still in the picture


def test_a_body_turns_about_its_long_axis_as_often_as_the_name_says() -> None:
    def turned(element: SimElement) -> float:
        """Turns of the chest about the body's long axis, summed over small steps."""
        motion = perform(element, Build(), np.random.default_rng(1))
        axis, front = _body_axis(motion), motion.front
        front = front - (front * axis).sum(1, keepdims=True) * axis
        front /= np.linalg.norm(front, axis=1, keepdims=True)
        sines = np.einsum("ti,ti->t", np.cross(front[:-1], front[1:]), axis[1:])
        cosines = np.einsum("ti,ti->t", front[:-1], front[1:])
        return float(np.abs(np.arctan2(sines, cosines).sum() / (2 * np.pi)))

    for element in (one for one in GYMSIM99 if one.shape != "cartwheel"):  # those begin or end sideways
        onto_the_table = 0.5 if element.entry in ("tsukahara", "round-off, half turn") else 0.0
        assert turned(element) == pytest.approx(element.turns + onto_the_table, abs=0.2), element.name


def test_vaults_and_flights_from_the_bar_have_the_saltos_of_their_name() -> None:
    for element in GYMSIM99:
        degrees = _somersault_degrees(perform(element, Build(), np.random.default_rng(1)))
        if element.family == "vault":  # over the hands and the salto, backward from a round-off
            assert degrees == pytest.approx(-720 if element.entry.startswith("round-off") else 720, abs=40), (
                element.name
            )
        if element.family == "bar dismount" or (element.family == "release" and element.saltos):
            assert degrees * element.direction // 360 == element.saltos, element.name  # the swing adds a quarter


def test_a_release_move_lets_the_bar_go_and_catches_it() -> None:
    for element in (one for one in GYMSIM99 if one.family == "release"):
        motion = perform(element, Build(), np.random.default_rng(2))
        hands = (motion.joints[:, 5] + motion.joints[:, 8]) / 2
        away = np.linalg.norm(hands - [0.0, 0.0, HIGH_BAR], axis=1)
        assert away[0] < 1e-6 and away[-1] < 1e-6 and away.max() > 0.5, element.name
        if element.saltos == 0:  # a counter flies over the bar, a salto stays on its side
            flown = motion.centre[away > 0.1]
            assert flown[np.abs(flown[:, 0]).argmin(), 2] > HIGH_BAR + 0.3


def test_dismounts_end_on_the_floor() -> None:
    for element in (one for one in GYMSIM99 if "dismount" in one.family):
        motion = perform(element, Build(), np.random.default_rng(3))
        assert motion.joints[-1, :, 2].min() == pytest.approx(0.0, abs=1e-6)
        assert motion.joints[0, :, 2].min() > 0.5


def test_the_foot_of_a_turn_stays_in_its_place() -> None:
    for element in (one for one in GYMSIM99 if one.family == "turn"):
        foot = perform(element, Build(), np.random.default_rng(4)).joints[:, 11, :2]
        assert np.allclose(foot, foot[0], atol=1e-9)
