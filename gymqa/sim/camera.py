"""A broadcast camera: it follows the athlete, who fills most of the frame, from a side that differs each time."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.sim.skeleton import Array


@dataclass(frozen=True)
class Camera:
    """A perspective camera whose target moves with the athlete.

    Attributes:
        right, down, forward: [3] unit vectors of the image axes and the viewing direction.
        target: [T, 3] point in the middle of the image, metres.
        distance: metres from the target.
        focal: pixels.
        size: image side, pixels.
    """

    right: Array
    down: Array
    forward: Array
    target: Array
    distance: float
    focal: float
    size: int

    @classmethod
    def follow(cls, centre: Array, size: int, rng: np.random.Generator) -> "Camera":
        """Draw a camera for an athlete whose centre of mass is `centre` [T, 3]: side, height, zoom, lag and shake."""
        azimuth = np.radians(rng.choice([90.0, 270.0]) + rng.uniform(-38.0, 38.0))
        elevation, roll = np.radians(rng.uniform(0.0, 14.0)), np.radians(rng.normal(0.0, 2.0))
        forward = -np.array(
            [np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)]
        )
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
        shake = _smoothed(rng.normal(0.0, 0.25, centre.shape), 6.0)
        target = _smoothed(centre, rng.uniform(1.0, 3.0)) + shake + rng.normal(0, 0.05, 3)
        distance = rng.uniform(6.0, 10.0)
        seen = rng.uniform(2.3, 2.9)  # metres of the world across the image: a stretched body is about 2.1
        return cls(right, down, forward, target, distance, size * distance / seen, size)

    def at(self, frames: NDArray[np.int64]) -> "Camera":
        """The same camera at some of its moments: indices [K] of frames."""
        return replace(self, target=self.target[frames])

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixel positions [T, ..., 2] and depths [T, ...] (metres) of world points [T, ..., 3] or [..., 3]."""
        if points.ndim < 3:
            points = np.broadcast_to(points, (len(self.target), *points.shape))
        offset = points - self.target.reshape(-1, *(1,) * (points.ndim - 2), 3)
        depth = np.maximum(offset @ self.forward + self.distance, 0.3)
        scale = self.focal / depth
        x, y = (offset @ self.right) * scale, (offset @ self.down) * scale
        return np.stack([x, y], axis=-1) + self.size / 2, depth


def _smoothed(track: Array, sigma: float) -> Array:
    """Gaussian average over time, `sigma` in frames: [T, 3] -> [T, 3]."""
    taps = 2 * int(4 * sigma) + 1
    return np.asarray(cv2.GaussianBlur(track, (1, taps), sigmaX=1.0, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE))
