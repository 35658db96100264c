"""Kinematics of elements on floor and beam: saltos, leaps and jumps, dismounts, handsprings, turns."""

import numpy as np

from gymqa.sim.elements import SimElement
from gymqa.sim.motion import (
    BEAM_END,
    IN_AIR,
    LANDING,
    RESET,
    SURFACE,
    TAKE_OFF,
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
from gymqa.sim.skeleton import Array, Build, Pose, smooth_interpolation

# Angles of a turn on the left leg by the position of the right one. Right thigh: hip - split; right knee: knee + wolf.
_TURNING: dict[str, dict[str, float]] = {
    "below horizontal": {"hip": 28.0, "split": -28.0, "wolf": 105.0, "knee": 0.0, "arm": 60.0, "elbow": 55.0},
    "at horizontal": {"hip": 45.0, "split": -45.0, "wolf": 0.0, "knee": 0.0, "arm": 80.0, "spread": 60.0},
    "upward": {"hip": 84.0, "split": -84.0, "wolf": 0.0, "knee": 0.0, "arm": 150.0, "spread": 10.0},
    "tuck stand": {"hip": 97.0, "split": 8.0, "wolf": -128.0, "knee": 132.0, "arm": 85.0, "arch": -20.0},
}


def through_the_air(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Saltos, leaps and jumps: approach, take-off, ballistic flight, landing; a dismount lands beside the beam."""
    salto = element.family != "leap"
    t = times(rng.uniform(1.1, 1.6) if salto else rng.uniform(0.8, 1.3))
    start, stop = (rng.uniform(0.16, 0.24), rng.uniform(0.80, 0.88)) if salto else (0.24, rng.uniform(0.74, 0.84))
    start = float(start)
    progress = phase(t, start, float(stop))
    pose = _salto_pose(element, t, start, float(stop)) if salto else _leap_pose(element, t, start, float(stop))
    pose.jitter(rng, 4.0)
    lean = rng.uniform(4, 12) * smooth_interpolation(t, np.array([0, start, stop, 1]), np.array([0.0, 1.0, -1.0, 0.0]))
    somersault = element.direction * (360.0 * element.saltos * rotation_progress(progress, element.shape) + lean)
    twist = random_side(rng) * 360.0 * element.turns * phase(t, start + 0.08, float(stop) - 0.06)
    if element.shape == "cartwheel":
        twist = twist + 90.0 * phase(t, 0.0, start)
    heading = _heading(element, rng) * np.ones_like(t)
    relative, front = place_body(build, Track(pose, heading, somersault, twist))
    travel = (
        rng.uniform(1.0, 2.4) * (element.direction or rng.choice([-1, 1])) * (1.0 if element.event == "FX" else 0.55)
    )
    along = np.radians(heading[0])
    centre = np.outer((t - 0.5) * travel, [np.cos(along), np.sin(along), 0.0])
    height = rng.uniform(0.65, 0.95) * (1.15 if element.saltos == 2 else 1.0) if salto else rng.uniform(0.35, 0.55)
    drop = 0.0
    if element.family == "dismount":
        drop = SURFACE["BB"]
        centre[:, 0] += np.sign(centre[-1, 0]) * (BEAM_END + 0.1 * abs(travel))
    centre[:, 2] = _ground_and_flight(relative, progress, height, drop) + SURFACE[element.event]
    return Motion(relative + centre[:, None], front, centre)


def _heading(element: SimElement, rng: np.random.Generator) -> float:
    """Heading in degrees: along the beam, or roughly along the floor's edge, across the view as in broadcasts."""
    return float(rng.choice([0.0, 180.0]) + (0.0 if element.event == "BB" else rng.uniform(-25.0, 25.0)))


def _ground_and_flight(relative: Array, progress: Array, height: float, drop: float) -> Array:
    """Height of the centre of mass above the surface [T]: feet on it, a parabola, then feet `drop` m lower."""
    grounded = -relative[:, :, 2].min(axis=1) - np.where(progress >= 1, drop, 0.0)
    air = (progress > 0) & (progress < 1)
    if not air.any():
        return grounded
    first, last = int(np.argmax(air)), len(air) - 1 - int(np.argmax(air[::-1]))
    before, after = grounded[max(first - 1, 0)], grounded[min(last + 1, len(air) - 1)]
    parabola = before + (after - before) * progress + 4 * height * progress * (1 - progress)
    return np.where(air, np.maximum(parabola, grounded * 0.6 - drop * progress), grounded)


def _salto_pose(element: SimElement, t: Array, start: float, stop: float) -> Pose:
    air = IN_AIR[element.shape]
    keys: Keys = [(0.0, {**RESET, "arm": 60.0}), (start * 0.6, TAKE_OFF), (start, {**RESET, "arm": 175.0})]
    keys += [(start + 0.16, air), (stop - 0.16, air), (stop, {**RESET, "arm": 140.0, "hip": 15.0})]
    if element.step_out:
        keys[-2:] = [(stop - 0.26, air), (stop - 0.04, {**RESET, "split": 48.0, "arm": 150.0}), (stop, {"split": 38.0})]
        return Pose.from_keys(t, [*keys, (1.0, {"split": 12.0, "arm": 120.0, "knee": 8.0})])
    return Pose.from_keys(t, [*keys, ((1 + stop) / 2, LANDING), (1.0, {**RESET, "arm": 120.0})])


def _leap_pose(element: SimElement, t: Array, start: float, stop: float) -> Pose:
    middle, air = (start + stop) / 2, IN_AIR[element.shape]
    if element.shape in ("leap", "switch"):
        return _leap_from_one_foot(element, t, start, middle, stop)
    keys: Keys = [(0.0, {**RESET, "arm": 30.0}), (start * 0.6, TAKE_OFF), (start, {**RESET, "arm": 90.0})]
    keys += [(middle - 0.17, air), (middle + 0.17, air), (stop, {**RESET, "arm": 70.0})]
    return Pose.from_keys(t, [*keys, ((1 + stop) / 2, LANDING), (1.0, {**RESET, "arm": 60.0})])


def _leap_from_one_foot(element: SimElement, t: Array, start: float, middle: float, stop: float) -> Pose:
    """Take-off from one foot, split (first with exchanged legs in a switch leap), landing on the front foot."""
    first = -1.0 if element.shape == "switch" else 1.0
    air = IN_AIR[element.shape]
    keys: Keys = [(0.0, {**RESET, "split": -15.0 * first, "arm": 30.0}), (start * 0.6, {"knee": 20.0, "arm": 60.0})]
    keys += [(start, {**RESET, "split": 40.0 * first, "arm": 80.0})]
    keys += [(start + 0.1, {"split": 55.0 * first}), (middle - 0.05, air), (middle + 0.14, air)]
    keys += [(stop, {**RESET, "split": 40.0, "arm": 70.0}), ((1 + stop) / 2, {"knee": 15.0, "split": 35.0})]
    return Pose.from_keys(t, [*keys, (1.0, {**RESET, "split": 15.0, "arm": 60.0})])


def turn_on_one_leg(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Turn: lift the free leg, turn on the other one, put it down; the supporting foot stays in place."""
    t = times(rng.uniform(0.75, 0.95) + rng.uniform(0.38, 0.46) * element.turns)
    start, stop = rng.uniform(0.16, 0.24), rng.uniform(0.80, 0.88)
    held_pose = _TURNING[element.shape]
    keys: Keys = [(0.0, {**RESET, "arm": 50.0, "spread": 40.0}), (0.10, {"knee": 20.0, "hip": 15.0})]
    keys += [
        (start + 0.08, held_pose),
        (stop - 0.04, held_pose),
        (1.0, {**RESET, "split": -8.0, "arm": 50.0, "spread": 40.0}),
    ]
    pose = Pose.from_keys(t, keys)
    pose.jitter(rng, 4.0)
    twist = (
        random_side(rng) * 360.0 * element.turns * rotation_progress(phase(t, float(start), float(stop)), "stretched")
    )
    heading = _heading(element, rng) * np.ones_like(t)
    relative, front = place_body(build, Track(pose, heading, rng.normal(0.0, 2.0) * np.ones_like(t), twist))
    centre = np.zeros((len(t), 3))
    foot = relative[:, 11]  # the left ankle
    centre[:, :2] = foot[0, :2] - foot[:, :2]
    centre[:, 2] = SURFACE[element.event] - relative[:, :, 2].min(axis=1)
    return Motion(relative + centre[:, None], front, centre)


def over_the_hands(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Flic-flacs, handsprings and round-offs: from the feet to the hands and back to the feet."""
    t = times(rng.uniform(0.9, 1.35))
    touch, push, land = rng.uniform(0.36, 0.42), rng.uniform(0.50, 0.56), rng.uniform(0.78, 0.86)
    pose = _handspring_pose(element, t, float(touch), float(push), float(land))
    pose.jitter(rng, 4.0)
    angle = piecewise_linear(t, [0.0, 0.14, touch, push, land, 1.0], [0.0, 12.0, 155.0, 205.0, 350.0, 360.0])
    way = random_side(rng)
    twist = way * piecewise_linear(t, [0.0, 0.16, touch, push, land, 1.0], [0.0, 40.0, 90.0, 110.0, 180.0, 180.0])
    twist = twist * (1.0 if element.shape == "cartwheel" else 0.0)
    heading = _heading(element, rng) * np.ones_like(t)
    relative, front = place_body(build, Track(pose, heading, element.direction * angle, twist))
    along = np.radians(heading[0])
    travel = element.direction * rng.uniform(1.3, 1.9)
    centre = np.outer((t - 0.5) * travel, [np.cos(along), np.sin(along), 0.0])
    first, second = phase(t, 0.16, float(touch)), phase(t, float(push), float(land))
    hop = rng.uniform(0.05, 0.2) * first * (1 - first) * 4 + rng.uniform(0.15, 0.3) * second * (1 - second) * 4
    centre[:, 2] = SURFACE[element.event] - relative[:, :, 2].min(axis=1) + hop
    return Motion(relative + centre[:, None], front, centre)


def _handspring_pose(element: SimElement, t: Array, touch: float, push: float, land: float) -> Pose:
    overhead = {**RESET, "arm": 176.0, "spread": 5.0}
    keys: Keys = [(0.0, {**RESET, "arm": 120.0}), (0.12, {**TAKE_OFF, "arm": 165.0})]
    if element.shape == "stretched":
        arched = {**overhead, "arch": 24.0, "hip": -22.0} if element.direction < 0 else {**overhead, "hip": 20.0}
        keys += [((0.12 + touch) / 2, arched), (touch, {**overhead, "arch": 8.0}), (push, overhead)]
        keys += [((push + land) / 2, {**overhead, "hip": 25.0 if element.direction < 0 else -12.0})]
        return Pose.from_keys(t, [*keys, (land, {**RESET, "arm": 150.0}), (1.0, {**LANDING, "arm": 130.0})])
    legs = {"straddle": 58.0} if element.shape == "cartwheel" else {"split": 70.0}
    keys += [(touch - 0.1, {**overhead, **legs}), (push + 0.06, {**overhead, **legs})]
    closed = {"split": 40.0} if element.step_out else {}
    return Pose.from_keys(t, [*keys, (land, {**RESET, **closed, "arm": 150.0}), (1.0, {**RESET, "arm": 130.0})])
