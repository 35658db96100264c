"""Single frames of GymSim with the athlete's true joints and facing: what a static image encoder is pre-trained on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gymqa.sim.arena import Arena, Image
from gymqa.sim.camera import Camera
from gymqa.sim.elements import ELEMENTS, EVENTS
from gymqa.sim.motion import Motion, perform
from gymqa.sim.render import Look, render
from gymqa.sim.skeleton import Build

TARGETS = 15 * 3 + 6  # joints (x, y, depth), chest direction, long axis


@dataclass(frozen=True)
class Stills:
    """Unordered single frames.

    Attributes:
        images: uint8 [N, S, S, 3] RGB.
        targets: float32 [N, 51]: per joint x and y in image sides from the middle and depth in metres behind the
            body's centre; then the chest direction and the pelvis-to-neck direction in camera axes (unit vectors).
        apparatus: int64 [N], place in EVENTS of what the athlete is on.
    """

    images: Image
    targets: NDArray[np.float32]
    apparatus: NDArray[np.int64]


def sample_stills(scenes: int, frames: int, size: int, rng: np.random.Generator) -> Stills:
    """Film `scenes` random athletes in random halls and keep `frames` frames of each, at random moments."""
    images, targets, apparatus = [], [], []
    for _ in range(scenes):
        element = ELEMENTS[rng.integers(len(ELEMENTS))]
        motion = perform(element, Build.sample(rng), rng)
        camera = Camera.follow(motion.centre, size, rng)
        picked = rng.choice(motion.frames, frames, replace=False)
        motion = Motion(motion.joints[picked], motion.front[picked], motion.centre[picked])
        camera = camera.at(picked)
        images.append(render(motion, element.event, Arena.sample(size, rng), Look.sample(rng), camera))
        targets.append(_targets(motion, camera))
        apparatus += [EVENTS.index(element.event)] * frames
    return Stills(np.concatenate(images), np.concatenate(targets).astype(np.float32), np.array(apparatus, np.int64))


def _targets(motion: Motion, camera: Camera) -> NDArray[np.float64]:
    pixels, depth = camera.project(motion.joints)
    place = (pixels / camera.size) - 0.5
    axes = np.stack([camera.right, camera.down, camera.forward])
    up = motion.joints[:, 1] - motion.joints[:, 0]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    relative = depth - depth.mean(axis=1, keepdims=True)
    return np.concatenate([place.reshape(len(up), -1), relative, motion.front @ axes.T, up @ axes.T], axis=1)
