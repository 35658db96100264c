"""Motion of a body over time and its building blocks: keyframe poses, interpolation, dimensions of the apparatus.

World axes: x along the apparatus, y across it, z up; metres, degrees, seconds.
"""

from dataclasses import dataclass

import numpy as np

from gymqa.sim.skeleton import Array, Build, Pose, joint_positions, orientation

FPS = 25
SURFACE: dict[str, float] = {"VT": 0.0, "FX": 0.0, "BB": 1.25, "UB": 0.0}
TABLE_HEIGHT, HIGH_BAR, LOW_BAR, BAR_GAP, BEAM_END = 1.25, 2.5, 1.7, 1.7, 2.5
Keys = list[tuple[float, dict[str, float]]]

TAKE_OFF = {"knee": 35.0, "hip": 30.0, "arm": 150.0, "elbow": 10.0}
LANDING = {"knee": 45.0, "hip": 45.0, "arm": 80.0, "spread": 25.0}
RESET = {"hip": 5.0, "knee": 0.0, "arch": 0.0, "split": 0.0, "straddle": 0.0, "wolf": 0.0, "spread": 10.0, "elbow": 5.0}
IN_AIR: dict[str, dict[str, float]] = {
    "tucked": {"hip": 125.0, "knee": 130.0, "arm": 45.0, "elbow": 40.0, "arch": -15.0},
    "piked": {"hip": 118.0, "knee": 0.0, "arm": 75.0, "elbow": 10.0, "arch": -18.0},
    "stretched": {"hip": -5.0, "knee": 0.0, "arm": 25.0, "elbow": 15.0, "arch": 8.0},
    "split": {"split": 82.0, "hip": 0.0, "arm": 90.0, "spread": 75.0},
    "leap": {"split": 82.0, "hip": 0.0, "arm": 90.0, "spread": 75.0},
    "switch": {"split": 82.0, "hip": 0.0, "arm": 90.0, "spread": 75.0},
    "straddle": {"hip": 78.0, "straddle": 62.0, "knee": 0.0, "arm": 70.0, "arch": -20.0},
    "wolf": {"hip": 82.0, "wolf": 125.0, "knee": 0.0, "arm": 110.0, "spread": 40.0},
    "cartwheel": {"straddle": 62.0, "hip": 0.0, "knee": 0.0, "arm": 30.0, "spread": 50.0},
}


@dataclass(frozen=True)
class Motion:
    """The trajectory of a body in the world.

    Attributes:
        joints: [T, 15, 3] joint positions in metres.
        front: [T, 3] unit vectors perpendicular to the chest.
        centre: [T, 3] centre of mass.
        stages: fractions of the duration at which a stage begins or ends; a vault has three stages, the others one.
    """

    joints: Array
    front: Array
    centre: Array
    stages: tuple[float, ...] = (0.0, 1.0)

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return len(self.centre)


@dataclass
class Track:
    """Joint angles and orientation over time, from which joint positions are computed; each field is an array [T]."""

    pose: Pose
    heading: Array
    somersault: Array
    twist: Array


def times(seconds: float) -> Array:
    """Normalized time of each frame of a movement: [T] from 0 to 1."""
    return np.linspace(0.0, 1.0, max(round(seconds * FPS), 20))


def place_body(build: Build, track: Track) -> tuple[Array, Array]:
    """Joints relative to the centre of mass [T, 15, 3] and chest direction [T, 3], in world axes."""
    rotation = orientation(track.heading, track.somersault, track.twist)
    local = joint_positions(build, track.pose)
    return np.einsum("tij,tkj->tki", rotation, local), rotation[:, :, 0]


def rotation_progress(progress: Array, shape: str) -> Array:
    """Fraction of the rotation completed at each fraction of the flight: a tucked body turns faster in the middle."""
    return progress - (0.05 if shape == "tucked" else 0.02) * np.sin(2 * np.pi * progress)


def phase(t: Array, start: float, stop: float) -> Array:
    """Progress from 0 to 1 through the phase from `start` to `stop`, at the times `t` [T]."""
    return np.clip((t - start) / (stop - start), 0.0, 1.0)


def piecewise_linear(t: Array, at: list[float], values: list[float]) -> Array:
    """Piecewise linear interpolation of the nodes (at, values) at the times `t` [T]."""
    return np.interp(t, np.array(at, dtype=float), np.array(values, dtype=float))


def random_side(rng: np.random.Generator) -> float:
    """+1 (left) or -1 (right), at random."""
    return float(rng.choice([-1.0, 1.0]))
