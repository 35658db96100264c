"""Kinematics: each element becomes joint tracks in the world, ballistic in the air and pinned to the apparatus on it.

World axes: x along the apparatus, y across it, z up; metres, degrees, seconds.
"""

from dataclasses import dataclass, replace

import numpy as np

from gymqa.sim.elements import SimElement
from gymqa.sim.skeleton import Array, Build, Pose, joint_positions, orientation, smooth_interpolation

FPS = 25
SURFACE: dict[str, float] = {"VT": 0.0, "FX": 0.0, "BB": 1.25, "UB": 0.0}
TABLE_HEIGHT, HIGH_BAR, LOW_BAR, BAR_GAP = 1.25, 2.5, 1.7, 1.7
Keys = list[tuple[float, dict[str, float]]]

_TAKE_OFF = {"knee": 35.0, "hip": 30.0, "arm": 150.0, "elbow": 10.0}
_LANDING = {"knee": 45.0, "hip": 45.0, "arm": 80.0, "spread": 25.0}
_IN_AIR: dict[str, dict[str, float]] = {
    "tucked": {"hip": 125.0, "knee": 130.0, "arm": 45.0, "elbow": 40.0, "arch": -15.0},
    "stretched": {"hip": -5.0, "knee": 0.0, "arm": 25.0, "elbow": 15.0, "arch": 8.0},
    "split": {"split": 82.0, "hip": 0.0, "arm": 90.0, "spread": 75.0},
    "straddle": {"hip": 78.0, "straddle": 62.0, "knee": 0.0, "arm": 70.0, "arch": -20.0},
    "wolf": {"hip": 82.0, "wolf": 125.0, "knee": 0.0, "arm": 110.0, "spread": 40.0},
}
_RESET = {
    "hip": 5.0,
    "knee": 0.0,
    "arch": 0.0,
    "split": 0.0,
    "straddle": 0.0,
    "wolf": 0.0,
    "spread": 10.0,
    "elbow": 5.0,
}


@dataclass(frozen=True)
class Motion:
    """A body moving through the world.

    Attributes:
        joints: [T, 15, 3] joint positions in metres.
        front: [T, 3] unit vectors out of the chest.
        centre: [T, 3] centre of mass.
    """

    joints: Array
    front: Array
    centre: Array

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return len(self.centre)


@dataclass
class Track:
    """What a family of elements decides, before the body is put together: each field an array [T]."""

    pose: Pose
    heading: Array
    somersault: Array
    twist: Array


def perform(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Let an athlete of `build` perform `element`, with the personal timing, height and style that `rng` draws."""
    if element.family == "vault":
        return _vault(element, build, rng)
    if element.family == "giant":
        return _giant(element, build, rng)
    if element.family == "transition":
        return _transition(element, build, rng)
    return _from_the_ground(element, build, rng)


def stand(event: str, build: Build, frames: int, position: Array, rng: np.random.Generator) -> Motion:
    """Stand or walk on the spot between two elements, for `frames` frames at `position` [3] (z is set by the feet)."""
    t = np.linspace(0.0, 1.0, frames)
    swing = rng.uniform(10, 40)
    pose = Pose.from_keys(
        t, [(0, {**_RESET, "arm": 20}), (0.5, {"arm": 20 + swing, "knee": 12, "hip": 12}), (1, {"arm": 20})]
    )
    heading = np.full(frames, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, np.zeros(frames), np.zeros(frames)))
    centre = np.tile(position, (frames, 1))
    centre[:, 2] = SURFACE[event] - relative[:, :, 2].min(axis=1)
    return Motion(relative + centre[:, None], front, centre)


def _times(seconds: float) -> Array:
    return np.linspace(0.0, 1.0, max(round(seconds * FPS), 20))


def place_body(build: Build, track: Track) -> tuple[Array, Array]:
    """Joints relative to the centre of mass [T, 15, 3] and chest direction [T, 3], both turned into the world."""
    rotation = orientation(track.heading, track.somersault, track.twist)
    local = joint_positions(build, track.pose)
    return np.einsum("tij,tkj->tki", rotation, local), rotation[:, :, 0]


def _air_speed(share: Array, shape: str) -> Array:
    """Share of the rotation done at each share of the flight: a tucked body turns faster in the middle."""
    return share - (0.05 if shape == "tucked" else 0.02) * np.sin(2 * np.pi * share)


def _flight(t: Array, start: float, stop: float) -> Array:
    return np.clip((t - start) / (stop - start), 0.0, 1.0)


def _from_the_ground(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Saltos, leaps and jumps: approach, take-off, ballistic flight, landing."""
    salto = element.family == "salto"
    t = _times(rng.uniform(1.1, 1.6) if salto else rng.uniform(0.8, 1.3))
    start, stop = (rng.uniform(0.16, 0.24), rng.uniform(0.80, 0.88)) if salto else (0.24, rng.uniform(0.74, 0.84))
    start = float(start)
    share = _flight(t, start, float(stop))
    pose = _salto_pose(element, t, start, float(stop)) if salto else _leap_pose(element, t, start, float(stop))
    pose.jitter(rng, 4.0)
    lean = rng.uniform(4, 12) * smooth_interpolation(t, np.array([0, start, stop, 1]), np.array([0.0, 1.0, -1.0, 0.0]))
    somersault = element.direction * (360.0 * element.saltos * _air_speed(share, element.shape) + lean)
    twist = rng.choice([-1.0, 1.0]) * 360.0 * element.turns * _flight(t, start + 0.08, float(stop) - 0.06)
    heading = _heading(element, rng) * np.ones_like(t)
    relative, front = place_body(build, Track(pose, heading, somersault, twist))
    travel = (
        rng.uniform(1.0, 2.4) * (element.direction or rng.choice([-1, 1])) * (1.0 if element.event == "FX" else 0.55)
    )
    along = np.radians(heading[0])
    centre = np.outer((t - 0.5) * travel, [np.cos(along), np.sin(along), 0.0])
    height = rng.uniform(0.65, 0.95) * (1.15 if element.saltos == 2 else 1.0) if salto else rng.uniform(0.35, 0.55)
    centre[:, 2] = _ground_and_flight(relative, share, height) + SURFACE[element.event]
    return Motion(relative + centre[:, None], front, centre)


def _heading(element: SimElement, rng: np.random.Generator) -> float:
    """Along the beam, or roughly along the floor's side, across the camera as in broadcast."""
    return float(rng.choice([0.0, 180.0]) + (0.0 if element.event == "BB" else rng.uniform(-25.0, 25.0)))


def _ground_and_flight(relative: Array, share: Array, height: float) -> Array:
    """Height of the centre of mass above the surface [T]: feet on it before and after, a parabola in between."""
    grounded = -relative[:, :, 2].min(axis=1)
    air = (share > 0) & (share < 1)
    if not air.any():
        return grounded
    first, last = int(np.argmax(air)), len(air) - 1 - int(np.argmax(air[::-1]))
    before, after = grounded[max(first - 1, 0)], grounded[min(last + 1, len(air) - 1)]
    parabola = before + (after - before) * share + 4 * height * share * (1 - share)
    return np.where(air, np.maximum(parabola, grounded * 0.6), grounded)


def _salto_pose(element: SimElement, t: Array, start: float, stop: float) -> Pose:
    air = _IN_AIR[element.shape]
    keys: Keys = [(0.0, {**_RESET, "arm": 60.0}), (start * 0.6, _TAKE_OFF), (start, {**_RESET, "arm": 175.0})]
    keys += [(start + 0.16, air), (stop - 0.16, air), (stop, {**_RESET, "arm": 140.0, "hip": 15.0})]
    if element.step_out:
        keys[-2:] = [
            (stop - 0.26, air),
            (stop - 0.04, {**_RESET, "split": 48.0, "arm": 150.0}),
            (stop, {"split": 38.0}),
        ]
        return Pose.from_keys(t, [*keys, (1.0, {"split": 12.0, "arm": 120.0, "knee": 8.0})])
    return Pose.from_keys(t, [*keys, ((1 + stop) / 2, _LANDING), (1.0, {**_RESET, "arm": 120.0})])


def _leap_pose(element: SimElement, t: Array, start: float, stop: float) -> Pose:
    middle, air = (start + stop) / 2, _IN_AIR[element.shape]
    keys: Keys = [(0.0, {**_RESET, "arm": 30.0}), (start * 0.6, _TAKE_OFF), (start, {**_RESET, "arm": 90.0})]
    keys += [(middle - 0.17, air), (middle + 0.17, air), (stop, {**_RESET, "arm": 70.0})]
    return Pose.from_keys(t, [*keys, ((1 + stop) / 2, _LANDING), (1.0, {**_RESET, "arm": 60.0})])


def _vault(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Springboard, hands on the table, second flight with the salto, landing."""
    t = _times(rng.uniform(1.5, 2.0))
    board, touch, push, land = 0.08, rng.uniform(0.22, 0.27), rng.uniform(0.31, 0.36), rng.uniform(0.86, 0.92)
    air, stretched = _IN_AIR[element.shape], {**_RESET, "arm": 175.0}
    keys: Keys = [(0.0, _TAKE_OFF), (board, stretched), (push, stretched), (push + 0.12, air), (land - 0.12, air)]
    pose = Pose.from_keys(
        t, [*keys, (land, {**_RESET, "arm": 140.0, "hip": 15.0}), (0.97, _LANDING), (1.0, {"knee": 30.0})]
    )
    pose.jitter(rng, 4.0)
    second = _flight(t, push, land)
    angle = smooth_linear(t, [0.0, board, touch, push], [0.0, 20.0, 155.0, 215.0]) + 505.0 * _air_speed(
        second, element.shape
    )
    twist = rng.choice([-1.0, 1.0]) * 360.0 * element.turns * _flight(t, push + 0.1, land - 0.06)
    heading = np.full_like(t, 0.0 if element.direction > 0 else 180.0)
    relative, front = place_body(build, Track(pose, heading, element.direction * angle, twist))
    stood = -relative[:, :, 2].min(axis=1)
    x = smooth_linear(t, [0, board, (touch + push) / 2, land, 1], [-1.4, -1.1, 0.0, rng.uniform(2.3, 3.2), 3.2])
    handstand = TABLE_HEIGHT + 0.75
    rise = smooth_linear(t, [0, board, touch, push], [stood[0], stood[0] + 0.1, handstand - 0.05, handstand])
    fall = handstand + (stood[-1] - handstand) * second + 4 * rng.uniform(0.75, 1.05) * second * (1 - second)
    centre = np.stack([x, np.zeros_like(t), np.where(second > 0, np.where(second < 1, fall, stood), rise)], axis=-1)
    return Motion(relative + centre[:, None], front, centre)


def smooth_linear(t: Array, at: list[float], values: list[float]) -> Array:
    """Straight lines between the nodes (at, values), evaluated at `t` [T]."""
    return np.interp(t, np.array(at, dtype=float), np.array(values, dtype=float))


def _hang(relative: Array, bar: Array) -> Array:
    """Centre of mass [T, 3] that puts the middle of the hands on `bar` ([3] or [T, 3])."""
    return np.asarray(bar - (relative[:, 5] + relative[:, 8]) / 2)


def _giant(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """A full circle about the high bar from handstand to handstand, slow above the bar and fast below it."""
    t = _times(rng.uniform(1.3, 1.9))
    done = 0.82 if element.turns else 1.0
    share = _flight(t, 0.0, done)
    slow = rng.uniform(0.5, 0.7)
    circle = share - slow * np.sin(2 * np.pi * share) / (2 * np.pi)
    below = np.sin(np.pi * circle) ** 2
    pose = Pose.from_keys(t, [(0.0, {"arm": 180.0}), (1.0, {"arm": 180.0})])
    pose.hip[:] = 28.0 * below * np.sin(2 * np.pi * circle + rng.uniform(-0.4, 0.4)) * -element.direction
    pose.jitter(rng, 3.0)
    somersault = 180.0 + element.direction * 360.0 * circle
    twist = rng.choice([-1.0, 1.0]) * 360.0 * element.turns * _flight(t, 0.52, 0.98)
    heading = np.full_like(t, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, somersault, twist))
    centre = _hang(relative, np.array([0.0, 0.0, HIGH_BAR]))
    return Motion(relative + centre[:, None], front, centre)


def _transition(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """A flight between the bars; low to high runs through the same places the other way round."""
    t = _times(rng.uniform(1.1, 1.7))
    if element.direction > 0:
        down = _transition(replace(element, direction=-1), build, rng)
        return Motion(down.joints[::-1].copy(), down.front[::-1].copy(), down.centre[::-1].copy())
    release, catch = rng.uniform(0.32, 0.42), rng.uniform(0.60, 0.70)
    keys: Keys = [(0.0, {"arm": 175.0}), (release, {"arm": 170.0, "hip": 30.0})]
    keys += [((release + catch) / 2, {"arm": 150.0, "arch": 15.0, "hip": 0.0}), (catch, {"arm": 175.0, "arch": 8.0})]
    pose = Pose.from_keys(t, [*keys, (1.0, {"arm": 178.0, "arch": 0.0, "hip": 10.0})])
    pose.jitter(rng, 4.0)
    somersault = smooth_linear(t, [0, release, catch, 1], [rng.uniform(60, 90), -75.0, -160.0, -230.0])
    relative, front = place_body(build, Track(pose, np.full_like(t, 180.0), somersault, np.zeros_like(t)))
    high = _hang(relative, np.array([0.0, 0.0, HIGH_BAR]))
    low = _hang(relative, np.array([BAR_GAP, 0.0, LOW_BAR]))
    share = _flight(t, float(release), float(catch))[:, None]
    centre = high + (low - high) * share
    centre[:, 2] += rng.uniform(0.15, 0.3) * (4 * share * (1 - share))[:, 0]
    return Motion(relative + centre[:, None], front, centre)
