"""Random competition hall (background, floor, mats, apparatus) and the perspective camera that follows the athlete."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.sim.motion import BAR_GAP, HIGH_BAR, LOW_BAR, SURFACE, TABLE_HEIGHT
from gymqa.sim.skeleton import Array

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]
PANORAMA_SCALE = 3.0  # side of the background relative to the image side


@dataclass(frozen=True)
class Piece:
    """A flat or thin part of the apparatus: a filled polygon (`width` 0) or a line of `width` metres; points [P, 3]."""

    points: Array
    colour: Colour
    width: float = 0.0


@dataclass(frozen=True)
class Arena:
    """One competition hall.

    Attributes:
        backdrop: [H, W, 3] image of walls, banners and crowd, larger than a frame, panned behind the athlete.
        floor: colour of the floor; `mat` that of mats and the floor exercise area; `frame` that of the apparatus.
    """

    backdrop: Image
    floor: Colour
    mat: Colour
    frame: Colour

    @classmethod
    def sample(cls, size: int, rng: np.random.Generator) -> "Arena":
        """Sample a hall for frames of `size` pixels."""
        side = int(size * PANORAMA_SCALE)
        backdrop = np.empty((side, side, 3), np.uint8)
        backdrop[:] = _colour(rng, 30, 130)
        for _ in range(rng.integers(4, 12)):  # banners
            x, y = rng.integers(0, side, 2)
            w, h = rng.integers(side // 12, side // 3), rng.integers(side // 20, side // 8)
            cv2.rectangle(backdrop, (int(x), int(y)), (int(x + w), int(y + h)), _colour(rng, 20, 220), -1)
        crowd_top, crowd_height = int(rng.uniform(0.1, 0.4) * side), int(rng.uniform(0.08, 0.25) * side)
        cells = rng.integers(20, 200, (crowd_height // 3 + 1, side // 3 + 1, 3), dtype=np.uint8)
        crowd = cv2.resize(cells, (side, crowd_height), interpolation=cv2.INTER_LINEAR)
        band = slice(crowd_top, crowd_top + crowd_height)
        backdrop[band] = (0.6 * crowd + 0.4 * backdrop[band]).astype(np.uint8)
        soft = np.asarray(cv2.GaussianBlur(backdrop, (5, 5), 0), np.uint8)
        return cls(soft, _colour(rng, 60, 190), _colour(rng, 40, 210), _colour(rng, 90, 230))

    def apparatus(self, event: str) -> list[Piece]:
        """Pieces of the apparatus of `event`, in no particular order."""
        return {"VT": self._vault, "FX": self._floor, "BB": self._beam, "UB": self._bars}[event]()

    def _mat(self, x0: float, x1: float, y: float, z: float = 0.0) -> Piece:
        corners = np.array([[x0, -y, z], [x1, -y, z], [x1, y, z], [x0, y, z]])
        return Piece(corners, self.mat)

    def _vault(self) -> list[Piece]:
        top = TABLE_HEIGHT
        box = np.array([[-0.5, -0.45, top], [0.6, -0.45, top + 0.06], [0.6, 0.45, top + 0.06], [-0.5, 0.45, top]])
        leg = np.array([[0.05, 0.0, 0.0], [0.05, 0.0, top]])
        front = np.array([[-0.5, 0.0, top - 0.25], [0.6, 0.0, top - 0.15], [0.6, 0.0, top + 0.05], [-0.5, 0.0, top]])
        return [self._mat(0.9, 5.0, 1.2), Piece(leg, self.frame, 0.35), Piece(front, self.frame), Piece(box, self.mat)]

    def _floor(self) -> list[Piece]:
        edge = np.array([[-6.0, -6.0, 0], [6.0, -6.0, 0], [6.0, 6.0, 0], [-6.0, 6.0, 0], [-6.0, -6.0, 0]])
        return [self._mat(-6.0, 6.0, 6.0), Piece(edge, self.frame, 0.12)]

    def _beam(self) -> list[Piece]:
        z = SURFACE["BB"] - 0.07
        beam = np.array([[-2.5, 0.0, z], [2.5, 0.0, z]])
        legs = [Piece(np.array([[x, 0.0, 0.0], [x, 0.0, z]]), self.frame, 0.08) for x in (-1.9, 1.9)]
        return [self._mat(-4.0, 4.0, 1.5), *legs, Piece(beam, self.frame, 0.13)]

    def _bars(self) -> list[Piece]:
        pieces = [self._mat(-3.0, 4.5, 1.5)]
        for x, z in ((0.0, HIGH_BAR), (BAR_GAP, LOW_BAR)):
            for y in (-1.2, 1.2):
                pieces.append(Piece(np.array([[x, y, 0.0], [x, y, z]]), self.frame, 0.05))
            pieces.append(Piece(np.array([[x, -1.2, z], [x, 1.2, z]]), (205, 170, 120), 0.045))
        return pieces


def _colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


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
        """Sample a camera (side, height, zoom, lag, shake) for an athlete with centre of mass `centre` [T, 3]."""
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
        """The same camera at the frames with these indices [K]."""
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
