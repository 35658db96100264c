"""Sample single GymSim frames with pose targets (joints, depth, body axes) for pre-training an image encoder."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gymqa.sim.elements import EVENTS, GYMSIM24
from gymqa.sim.motion import Motion, Track, place_body
from gymqa.sim.perform import perform
from gymqa.sim.render import Look, render
from gymqa.sim.scene import Arena, Camera, Image
from gymqa.sim.skeleton import Build, Pose

TARGETS = 15 * 3 + 6  # joints (x, y, depth), chest direction, long axis
LIMITS = {  # range in degrees of each angle of a free pose
    "hip": (-20.0, 130.0), "knee": (0.0, 130.0), "split": (-85.0, 85.0), "straddle": (0.0, 70.0), "wolf": (0.0, 130.0),
    "arm": (0.0, 180.0), "spread": (0.0, 85.0), "elbow": (0.0, 60.0), "arch": (-25.0, 25.0),
}  # fmt: skip
OFTEN_STRAIGHT = ("knee", "split", "straddle", "wolf")  # set to 0 in half of the free poses, independently


@dataclass(frozen=True)
class Stills:
    """Unordered single frames.

    Attributes:
        images: uint8 [N, S, S, 3] RGB.
        targets: float32 [N, 51]: per joint x and y in image sides from the middle and depth in metres behind the
            body's centre; then the chest direction and the pelvis-to-neck direction in camera axes (unit vectors).
        apparatus: int64 [N], index of the apparatus in EVENTS.
    """

    images: Image
    targets: NDArray[np.float32]
    apparatus: NDArray[np.int64]


def sample_stills(scenes: int, frames: int, size: int, rng: np.random.Generator, free_poses: float = 0.0) -> Stills:
    """Render `frames` random frames each of `scenes` random athletes in random halls.

    In a fraction `free_poses` of the scenes the body is replaced by random poses in random orientations at the same
    position, because the elements themselves cover few leg configurations.
    """
    images, targets, apparatus = [], [], []
    for _ in range(scenes):
        element = GYMSIM24[rng.integers(len(GYMSIM24))]
        build = Build.sample(rng)
        motion = perform(element, build, rng)
        camera = Camera.follow(motion.centre, size, rng)
        picked = rng.choice(motion.frames, frames, replace=False)
        motion = Motion(motion.joints[picked], motion.front[picked], motion.centre[picked])
        camera = camera.at(picked)
        if rng.random() < free_poses:
            motion = _freely_posed(motion, build, rng)
        images.append(render(motion, element.event, Arena.sample(size, rng), Look.sample(rng), camera))
        targets.append(_targets(motion, camera))
        apparatus += [EVENTS.index(element.event)] * frames
    return Stills(np.concatenate(images), np.concatenate(targets).astype(np.float32), np.array(apparatus, np.int64))


def _freely_posed(motion: Motion, build: Build, rng: np.random.Generator) -> Motion:
    """Random poses in random orientations, with the same centre of mass."""
    frames = motion.frames
    angles = {name: rng.uniform(low, high, frames) for name, (low, high) in LIMITS.items()}
    for name in OFTEN_STRAIGHT:
        angles[name] *= rng.random(frames) < 0.5
    heading, somersault, twist = rng.uniform(0.0, 360.0, (3, frames))
    upright = rng.random(frames) < 0.5
    track = Track(Pose(**angles), heading, np.where(upright, rng.normal(0.0, 12.0, frames), somersault), twist)
    relative, front = place_body(build, track)
    return Motion(relative + motion.centre[:, None], front, motion.centre)


def _targets(motion: Motion, camera: Camera) -> NDArray[np.float64]:
    pixels, depth = camera.project(motion.joints)
    positions = (pixels / camera.size) - 0.5
    axes = np.stack([camera.right, camera.down, camera.forward])
    up = motion.joints[:, 1] - motion.joints[:, 0]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    relative = depth - depth.mean(axis=1, keepdims=True)
    return np.concatenate([positions.reshape(len(up), -1), relative, motion.front @ axes.T, up @ axes.T], axis=1)
