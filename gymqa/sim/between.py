"""What an athlete does between two elements, which no annotation names: stand, walk, hang; and the replay of one."""

import numpy as np

from gymqa.sim.motion import FPS, HIGH_BAR, RESET, SURFACE, Motion, Track, place_body
from gymqa.sim.skeleton import Array, Build, Pose

WALK, RUN = 1.5, 4.5  # metres a second


def stand(event: str, build: Build, frames: int, position: Array, rng: np.random.Generator) -> Motion:
    """Stand or walk on the spot between two elements, for `frames` frames at `position` [3] (z is set by the feet)."""
    t = np.linspace(0.0, 1.0, frames)
    swing = rng.uniform(10, 40)
    pose = Pose.from_keys(
        t, [(0, {**RESET, "arm": 20}), (0.5, {"arm": 20 + swing, "knee": 12, "hip": 12}), (1, {"arm": 20})]
    )
    heading = np.full(frames, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, np.zeros(frames), np.zeros(frames)))
    centre = np.tile(position, (frames, 1))
    centre[:, 2] = SURFACE[event] - relative[:, :, 2].min(axis=1)
    return Motion(relative + centre[:, None], front, centre)


def go(surface: float, build: Build, start: Array, end: Array, speed: float) -> Motion:
    """Walk (or run, at a higher speed) from `start` to `end`, both [3], on a surface at a height in metres."""
    way = end[:2] - start[:2]
    seconds = max(float(np.hypot(*way)) / speed, 0.6)
    t = np.linspace(0.0, 1.0, max(round(seconds * FPS), 2))
    stride = np.sin(2 * np.pi * t * seconds * (1.0 + speed / RUN))
    pose = Pose.from_keys(t, [(0.0, {**RESET, "arm": 15.0}), (1.0, {"arm": 15.0})])
    pose.split[:] = (12.0 + 8.0 * speed) * stride
    pose.knee[:] = (5.0 + 5.0 * speed) * (1 - np.abs(stride))
    heading = np.full_like(t, np.degrees(np.arctan2(way[1], way[0])))
    relative, front = place_body(build, Track(pose, heading, np.full_like(t, 2.0 * speed), np.zeros_like(t)))
    centre = np.empty((len(t), 3))
    centre[:, :2] = start[:2] + way * t[:, None]
    centre[:, 2] = surface - relative[:, :, 2].min(axis=1)
    return Motion(relative + centre[:, None], front, centre)


def hang(build: Build, frames: int, rng: np.random.Generator) -> Motion:
    """Swing a little under the high bar, for `frames` frames."""
    t = np.linspace(0.0, 1.0, frames)
    pose = Pose.from_keys(t, [(0.0, {**RESET, "arm": 178.0}), (1.0, {"arm": 178.0})])
    swing = rng.uniform(8.0, 22.0) * np.sin(2 * np.pi * (t * frames / FPS * rng.uniform(0.5, 0.7) + rng.uniform()))
    heading = np.full(frames, rng.choice([0.0, 180.0]))
    relative, front = place_body(build, Track(pose, heading, swing, np.zeros(frames)))
    centre = np.array([0.0, 0.0, HIGH_BAR]) - (relative[:, 5] + relative[:, 8]) / 2
    return Motion(relative + centre[:, None], front, centre)


def slowed(motion: Motion) -> Motion:
    """The motion at half speed: a frame halfway between any two, [T] -> [2T - 1]."""
    at = np.arange(2 * motion.frames - 1) / 2
    low = np.floor(at).astype(int)
    high, share = np.ceil(at).astype(int), at - low

    def between(track: Array) -> Array:
        weight = share.reshape(-1, *(1,) * (track.ndim - 1))
        return np.asarray(track[low] * (1 - weight) + track[high] * weight)

    front = between(motion.front)
    front /= np.maximum(np.linalg.norm(front, axis=1, keepdims=True), 1e-9)
    return Motion(between(motion.joints), front, between(motion.centre))


def joined(motions: list[Motion]) -> Motion:
    """One motion after the other."""
    return Motion(
        np.concatenate([one.joints for one in motions]),
        np.concatenate([one.front for one in motions]),
        np.concatenate([one.centre for one in motions]),
    )
