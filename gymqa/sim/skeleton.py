"""The gymnast's body model: joint angles (Pose), bone lengths (Build), forward kinematics of 15 joints, orientation."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from gymqa.frames.skeletons import GYMSIM15

Array = NDArray[np.float64]

JOINTS = GYMSIM15.joints
# Fraction of the body's mass near each joint: trunk and thighs have most of it.
MASS: Array = np.array([0.22, 0.20, 0.08, 0.03, 0.02, 0.015, 0.03, 0.02, 0.015, 0.07, 0.075, 0.045, 0.07, 0.075, 0.045])
MASS = MASS / MASS.sum()


@dataclass
class Pose:
    """Joint angles in degrees, each an array [T] over the frames of a clip.

    Attributes:
        hip: flexion of both hips; 0 is straight under the trunk.
        knee: flexion of both knees.
        split: one leg to the front, the other to the back, by this angle each.
        straddle: abduction of each leg.
        wolf: additional flexion of the right knee.
        arm: arms raised through the front; 0 is at the side, 180 overhead.
        spread: abduction of the arms.
        elbow: flexion of both elbows.
        arch: backward bend of the trunk (negative: hollow).
    """

    hip: Array
    knee: Array
    split: Array
    straddle: Array
    wolf: Array
    arm: Array
    spread: Array
    elbow: Array
    arch: Array

    @classmethod
    def from_keys(cls, times: Array, keys: list[tuple[float, dict[str, float]]]) -> "Pose":
        """Interpolate keyframes, (time, degrees) pairs, at `times`; an angle not named keeps its last value."""
        values: dict[str, list[float]] = {field.name: [] for field in fields(cls)}
        current = dict.fromkeys(values, 0.0)
        for _, angles in keys:
            current.update(angles)
            for name, track in values.items():
                track.append(current[name])
        at = np.array([time for time, _ in keys])
        return cls(**{name: smooth_interpolation(times, at, np.array(track)) for name, track in values.items()})

    def jitter(self, rng: np.random.Generator, degrees: float) -> None:
        """Add a constant personal deviation of about `degrees` to every angle, in place."""
        for field in fields(self):
            getattr(self, field.name)[:] += rng.normal(0.0, degrees)


def smooth_interpolation(times: Array, at: Array, values: Array) -> Array:
    """Interpolate `values` [K] given at rising times `at` [K] with zero speed at each key (smoothstep)."""
    right = np.clip(np.searchsorted(at, times, side="right"), 1, len(at) - 1)
    span = np.maximum(at[right] - at[right - 1], 1e-9)
    fraction = np.clip((times - at[right - 1]) / span, 0.0, 1.0)
    fraction = fraction * fraction * (3 - 2 * fraction)
    return values[right - 1] + fraction * (values[right] - values[right - 1])


@dataclass(frozen=True)
class Build:
    """Bone lengths of one athlete, in metres."""

    trunk: float = 0.50
    head: float = 0.19
    shoulder: float = 0.17
    pelvis: float = 0.10
    upper_arm: float = 0.27
    forearm: float = 0.28
    thigh: float = 0.40
    shin: float = 0.42

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Build":
        """Sample an athlete: each bone within about 6 % of the default length."""
        return cls(**{field.name: float(getattr(cls, field.name) * rng.uniform(0.94, 1.06)) for field in fields(cls)})


def _swing(front: Array, side: Array | float, length: float) -> Array:
    """Vector of a hanging bone raised by `front` degrees to the front and `side` degrees to the left: [T, 3]."""
    a, b = np.radians(front), np.radians(side) * np.ones_like(front)
    return length * np.stack([np.sin(a) * np.cos(b), np.sin(b), -np.cos(a) * np.cos(b)], axis=-1)


def joint_positions(build: Build, pose: Pose) -> Array:
    """Joint positions [T, 15, 3] in the body frame (x front, y left, z up), the centre of mass at the origin."""
    frames = len(pose.hip)
    joints = np.zeros((frames, len(JOINTS), 3))
    lean = np.radians(pose.arch)
    trunk_axis = np.stack([-np.sin(lean), np.zeros(frames), np.cos(lean)], axis=-1)
    joints[:, 1] = build.trunk * trunk_axis
    joints[:, 2] = (build.trunk + build.head) * trunk_axis
    for side, shoulder, hip in ((1.0, 3, 9), (-1.0, 6, 12)):
        joints[:, shoulder] = joints[:, 1] * 0.94 + np.array([0.0, side * build.shoulder, 0.0])
        upper = _swing(pose.arm - pose.arch, side * pose.spread, build.upper_arm)
        lower = _swing(pose.arm - pose.arch + pose.elbow, side * pose.spread, build.forearm)
        joints[:, shoulder + 1] = joints[:, shoulder] + upper
        joints[:, shoulder + 2] = joints[:, shoulder + 1] + lower
        lift = pose.hip + side * pose.split
        bend = pose.knee + (pose.wolf if side < 0 else 0.0)
        joints[:, hip, 1] = side * build.pelvis
        joints[:, hip + 1] = joints[:, hip] + _swing(lift, side * pose.straddle, build.thigh)
        joints[:, hip + 2] = joints[:, hip + 1] + _swing(lift - bend, side * pose.straddle, build.shin)
    centre = np.einsum("j,tjc->tc", MASS, joints)
    return joints - centre[:, None]


def orientation(heading: Array, somersault: Array, twist: Array) -> Array:
    """Rotation matrices [T, 3, 3] from body to world for angles in degrees, each [T].

    Applied to the body in this order: turn about the long axis (`twist`), then about the left-right axis (`somersault`,
    positive tips the head to the front), then about the vertical (`heading`).
    """
    h, s, t = np.radians(heading), np.radians(somersault), np.radians(twist)
    zero, one = np.zeros_like(h), np.ones_like(h)

    def matrix(rows: list[list[Array]]) -> Array:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    yaw = matrix([[np.cos(h), -np.sin(h), zero], [np.sin(h), np.cos(h), zero], [zero, zero, one]])
    pitch = matrix([[np.cos(s), zero, np.sin(s)], [zero, one, zero], [-np.sin(s), zero, np.cos(s)]])
    roll = matrix([[np.cos(t), -np.sin(t), zero], [np.sin(t), np.cos(t), zero], [zero, zero, one]])
    return np.asarray(yaw @ pitch @ roll)
