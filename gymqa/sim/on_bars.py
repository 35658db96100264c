"""Kinematics of elements on the uneven bars: circles, release elements, transition flights, dismounts.

The somersault angle is 0 degrees for a body hanging straight under the bar, 180 for a handstand on it.
"""

from dataclasses import dataclass, replace

import numpy as np

from gymqa.sim.elements import SimElement
from gymqa.sim.motion import (
    BAR_GAP,
    HIGH_BAR,
    IN_AIR,
    LANDING,
    LOW_BAR,
    RESET,
    Keys,
    Motion,
    Track,
    phase,
    piecewise_linear,
    place_body,
    random_side,
    rotation_progress,
    times,
)  # fmt: skip
from gymqa.sim.skeleton import Array, Build, Pose

HIGH = np.array([0.0, 0.0, HIGH_BAR])
_HANGING = {**RESET, "arm": 178.0, "spread": 5.0}
_CIRCLING: dict[str, dict[str, float]] = {
    "clear hip": {"arm": 38.0, "hip": 12.0, "knee": 0.0, "straddle": 0.0, "arch": -8.0},
    "stalder": {"arm": 120.0, "hip": 125.0, "knee": 0.0, "straddle": 55.0, "arch": -12.0},
    "sole": {"arm": 112.0, "hip": 148.0, "knee": 0.0, "straddle": 0.0, "arch": -15.0},
}


def release(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Release element: swing, let go of the high bar, fly over it (counter) or do a salto beside it, regrasp it."""
    t = times(rng.uniform(1.4, 1.9))
    let_go, catch = rng.uniform(0.30, 0.36), rng.uniform(0.68, 0.74)
    swing = _release_swing(element, rng)
    air = IN_AIR[element.shape]
    keys: Keys = [(0.0, _HANGING), (let_go, _HANGING), (let_go + 0.12, {**air, "arm": 90.0})]
    keys += [(catch - 0.12, {**air, "arm": 120.0}), (catch, _HANGING), (1.0, _HANGING)]
    pose = Pose.from_keys(t, keys)
    pose.jitter(rng, 3.0)
    somersault = piecewise_linear(t, [0.0, let_go, catch, 1.0], [swing.begin, swing.release, swing.catch, swing.end])
    twist = random_side(rng) * 360.0 * element.turns * phase(t, let_go + 0.08, catch - 0.02)
    heading = np.full_like(t, _beside_the_high_bar(element))
    relative, front = place_body(build, Track(pose, heading, somersault, twist))
    centre = _fly(t, _hang(relative, HIGH), float(let_go), float(catch), swing.height)
    return Motion(relative + centre[:, None], front, centre)


@dataclass(frozen=True)
class _Swing:
    """Somersault angles in degrees at the start, the release, the catch and the end; height of the flight in metres."""

    begin: float
    release: float
    catch: float
    end: float
    height: float


def _hang(relative: Array, bar: Array) -> Array:
    """Centre of mass [T, 3] that puts the middle of the hands on `bar` ([3] or [T, 3])."""
    return np.asarray(bar - (relative[:, 5] + relative[:, 8]) / 2)


def circle(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Circle: around the high bar from handstand to handstand, slow above the bar and fast below it."""
    t = times(rng.uniform(1.3, 1.9))
    done = 0.82 if element.turns else 1.0
    progress = phase(t, 0.0, done)
    slow = rng.uniform(0.5, 0.7)
    turned = progress - slow * np.sin(2 * np.pi * progress) / (2 * np.pi)
    below = np.sin(np.pi * turned) ** 2
    pose = _circle_pose(element, t, done)
    if element.shape == "stretched":
        pose.hip[:] = 28.0 * below * np.sin(2 * np.pi * turned + rng.uniform(-0.4, 0.4)) * -element.direction
    pose.jitter(rng, 3.0)
    somersault = 180.0 + element.direction * 360.0 * turned
    twist = random_side(rng) * 360.0 * element.turns * phase(t, 0.52, 0.98)
    heading = np.full_like(t, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, somersault, twist))
    centre = _hang(relative, HIGH)
    return Motion(relative + centre[:, None], front, centre)


def _circle_pose(element: SimElement, t: Array, done: float) -> Pose:
    """Stretched body, or one that folds around the bar between the two handstands."""
    if element.shape == "stretched":
        return Pose.from_keys(t, [(0.0, {"arm": 180.0}), (1.0, {"arm": 180.0})])
    folded, straight = _CIRCLING[element.shape], {**RESET, "arm": 180.0, "hip": 0.0}
    keys: Keys = [(0.0, straight), (0.06, straight), (0.32 * done, folded), (0.74 * done, folded)]
    return Pose.from_keys(t, [*keys, (0.97 * done, straight), (1.0, straight)])


def transition(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Transition flight between the bars; low to high is the reversed motion of high to low."""
    t = times(rng.uniform(1.1, 1.7))
    if element.direction > 0:
        down = transition(replace(element, direction=-1), build, rng)
        return Motion(down.joints[::-1].copy(), down.front[::-1].copy(), down.centre[::-1].copy())
    release, catch = rng.uniform(0.32, 0.42), rng.uniform(0.60, 0.70)
    keys: Keys = [(0.0, {"arm": 175.0}), (release, {"arm": 170.0, "hip": 30.0})]
    keys += [((release + catch) / 2, {"arm": 150.0, "arch": 15.0, "hip": 0.0}), (catch, {"arm": 175.0, "arch": 8.0})]
    pose = Pose.from_keys(t, [*keys, (1.0, {"arm": 178.0, "arch": 0.0, "hip": 10.0})])
    pose.jitter(rng, 4.0)
    somersault = piecewise_linear(t, [0, release, catch, 1], [rng.uniform(60, 90), -75.0, -160.0, -230.0])
    relative, front = place_body(build, Track(pose, np.full_like(t, 180.0), somersault, np.zeros_like(t)))
    high = _hang(relative, HIGH)
    low = _hang(relative, np.array([BAR_GAP, 0.0, LOW_BAR]))
    progress = phase(t, float(release), float(catch))[:, None]
    centre = high + (low - high) * progress
    centre[:, 2] += rng.uniform(0.15, 0.3) * (4 * progress * (1 - progress))[:, 0]
    return Motion(relative + centre[:, None], front, centre)


def _release_swing(element: SimElement, rng: np.random.Generator) -> _Swing:
    swung = rng.uniform(-8.0, 8.0)
    if element.saltos == 0:  # counter: swing up to the front, then fly back over the bar
        return _Swing(85.0, -72.0 + swung, 62.0 + swung, 12.0, rng.uniform(0.9, 1.1))
    ahead = float(element.direction)  # the salto continues the swing, the catch is on the same side
    return _Swing(-85.0 * ahead, (100.0 + swung) * ahead, (425.0 + swung) * ahead, 368.0 * ahead, rng.uniform(0.5, 0.7))


def dismount(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Dismount: swing, let go of the high bar, one or two saltos away from the low bar, land on the mat."""
    t = times(rng.uniform(1.5, 1.95))
    let_go, land = rng.uniform(0.26, 0.32), rng.uniform(0.84, 0.90)
    air, ahead = IN_AIR[element.shape], float(element.direction)
    keys: Keys = [(0.0, _HANGING), (let_go, _HANGING), (let_go + 0.12, air), (land - 0.12, air)]
    keys += [(land, {**RESET, "arm": 140.0, "hip": 15.0}), ((1 + land) / 2, LANDING), (1.0, {**RESET, "arm": 150.0})]
    pose = Pose.from_keys(t, keys)
    pose.jitter(rng, 4.0)
    begin, gone = -95.0 * ahead, rng.uniform(84.0, 100.0) * ahead
    turned = rotation_progress(phase(t, let_go, land), element.shape)
    somersault = piecewise_linear(t, [0.0, let_go], [begin, gone]) + (360.0 * element.saltos * ahead - gone) * turned
    twist = random_side(rng) * 360.0 * element.turns * phase(t, let_go + 0.12, land - 0.04)
    heading = np.full_like(t, _beside_the_high_bar(element))
    relative, front = place_body(build, Track(pose, heading, somersault, twist))
    centre = _hang(relative, HIGH)
    last = int(np.searchsorted(t, let_go))
    standing = -relative[:, :, 2].min(axis=1)
    flown, start = phase(t, let_go, land), centre[last].copy()
    lands = np.array([-rng.uniform(2.0, 2.8), 0.0, standing[-1]])
    air_path = start + (lands - start) * flown[:, None]
    air_path[:, 2] += rng.uniform(0.9, 1.2) * 4 * flown * (1 - flown)
    centre[last:] = air_path[last:]
    centre[flown >= 1, 2] = standing[flown >= 1]
    return Motion(relative + centre[:, None], front, centre)


def _beside_the_high_bar(element: SimElement) -> float:
    """Heading in degrees that puts the flight on the side without the low bar (negative x)."""
    return 180.0 if element.direction < 0 else 0.0


def _fly(t: Array, hung: Array, let_go: float, catch: float, height: float) -> Array:
    """Centre of mass [T, 3] on a parabola between release and catch; `hung` [T, 3] has the hands on the bar."""
    first, last = int(np.searchsorted(t, let_go)), int(np.searchsorted(t, catch))
    centre = hung.copy()
    progress = np.linspace(0.0, 1.0, last - first + 1)[:, None]
    centre[first : last + 1] = hung[first] + (hung[last] - hung[first]) * progress
    centre[first : last + 1, 2] += (height * 4 * progress * (1 - progress))[:, 0]
    return centre
