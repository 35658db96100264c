"""Render a motion to frames: shaded limbs in depth order over hall and apparatus; chest and back look different."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gymqa.sim.motion import Motion
from gymqa.sim.scene import Arena, Camera, Colour, Image, Piece
from gymqa.sim.skeleton import Array

_SHIFT = 4  # cv2 takes sub-pixel positions as integers with this many fractional bits
# (start joint, end joint, width in metres, "skin" or "suit"): upper arms wear the suit's sleeves.
LIMBS: tuple[tuple[int, int, float, str], ...] = (
    (3, 4, 0.10, "suit"), (4, 5, 0.08, "skin"), (6, 7, 0.10, "suit"), (7, 8, 0.08, "skin"),
    (9, 10, 0.15, "skin"), (10, 11, 0.11, "skin"), (12, 13, 0.15, "skin"), (13, 14, 0.11, "skin"),
)  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Appearance of one athlete: RGB colours of skin, hair, suit and stripe."""

    skin: Colour
    hair: Colour
    suit: Colour
    stripe: Colour

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Look":
        """Sample an athlete's colours."""
        tone = rng.uniform(0.35, 1.0)
        skin = (int(245 * tone), int(200 * tone), int(170 * tone))
        hair = (int(rng.integers(10, 90)), int(rng.integers(10, 60)), int(rng.integers(5, 40)))
        suit = np.zeros(3, np.uint8)
        suit[:] = cv2.cvtColor(
            np.array([[[rng.integers(0, 180), 220, rng.integers(150, 255)]]], np.uint8), cv2.COLOR_HSV2RGB
        )[0, 0]
        return cls(skin, hair, (int(suit[0]), int(suit[1]), int(suit[2])), (245, 245, 245))


def render(motion: Motion, event: str, arena: Arena, look: Look, camera: Camera) -> Image:
    """Frames [T, S, S, 3] (RGB) of `motion` on the apparatus of `event`, seen by `camera`."""
    frames = _backdrop(arena, camera)
    _draw_apparatus(frames, arena.apparatus(event), camera)
    joints, depth = camera.project(motion.joints)
    facing = -(motion.front @ camera.forward)  # +1: the chest looks into the camera
    head = motion.joints[:, 2]
    ends = camera.project(np.stack([head + 0.05 * motion.front, head - 0.11 * motion.front], axis=1))[0]
    scale = camera.focal / depth.mean(axis=1)
    for index in range(motion.frames):
        body = _Body(
            joints[index], depth[index], float(facing[index]), ends[index, 0], ends[index, 1], float(scale[index])
        )
        _draw_body(frames[index], body, look)
    return frames


def mark_replay(frames: Image) -> None:
    """Draw a white border into each of the frames [T, S, S, 3], in place, as broadcasts mark a replay."""
    width = max(frames.shape[1] // 32, 1)
    for edge in (np.s_[:, :width], np.s_[:, -width:], np.s_[:, :, :width], np.s_[:, :, -width:]):
        frames[edge] = 255


def _backdrop(arena: Arena, camera: Camera) -> Image:
    """Background of wall and floor, panned with the camera's target: [T, S, S, 3]."""
    size, side = camera.size, len(arena.backdrop)
    scale = camera.focal / camera.distance
    frames = np.empty((len(camera.target), size, size, 3), np.uint8)
    pan = (camera.target @ camera.right) * scale * 0.5
    tilt = camera.target[:, 2] * scale * 0.5
    horizon = size / 2 + (camera.target[:, 2] - 1.0) * scale * 0.45 + size * 0.22
    for index, frame in enumerate(frames):
        x = int(np.clip(side / 2 - size / 2 + pan[index], 0, side - size))
        y = int(np.clip(side * 0.45 - tilt[index], 0, side - size))
        frame[:] = arena.backdrop[y : y + size, x : x + size]
        edge = int(np.clip(horizon[index], 0, size))
        frame[edge:] = arena.floor
    return frames


def _draw_apparatus(frames: Image, pieces: list[Piece], camera: Camera) -> None:
    reach = max(2000, 20 * camera.size)  # cv2 needs bounded coordinates
    for piece in pieces:
        pixels, depth = camera.project(piece.points)
        fixed = np.round(np.clip(pixels, -reach, reach) * (1 << _SHIFT)).astype(np.int32)
        width = np.maximum(piece.width * camera.focal / depth.mean(axis=1), 1.0).round().astype(int)
        for index, frame in enumerate(frames):
            if piece.width:
                cv2.polylines(frame, [fixed[index]], False, piece.colour, int(width[index]), cv2.LINE_AA, _SHIFT)
            else:
                cv2.fillPoly(frame, [fixed[index]], piece.colour, cv2.LINE_AA, _SHIFT)


@dataclass(frozen=True)
class _Body:
    """One frame's body in pixels: joints [15, 2], depths [15], facing of the chest (1: to the camera), head, scale."""

    joints: Array
    depth: Array
    facing: float
    nose: Array
    bun: Array
    scale: float


def _draw_body(frame: Image, body: _Body, look: Look) -> None:
    """Draw the body parts from the farthest to the nearest."""
    middle = float(body.depth.mean())
    parts: list[tuple[float, int]] = [
        (float(body.depth[a] + body.depth[b]) / 2, i) for i, (a, b, _, _) in enumerate(LIMBS)
    ]
    parts += [(float(body.depth[0] + body.depth[1]) / 2, -1), (float(body.depth[2]) - 0.01, -2)]
    for depth, part in sorted(parts, reverse=True):
        if part == -1:
            _draw_trunk(frame, body, look)
        elif part == -2:
            _draw_head(frame, body, look)
        else:
            start, end, width, cloth = LIMBS[part]
            shade = 1.0 - 0.9 * float(np.clip(depth - middle, -0.2, 0.35))  # far limbs are darker
            colour = _shaded(look.skin if cloth == "skin" else look.suit, shade)
            _line(frame, body.joints[start], body.joints[end], width * body.scale, colour)


def _draw_trunk(frame: Image, body: _Body, look: Look) -> None:
    """Draw the trunk: suit with a white stripe in front, a cut-out with bare skin on the back."""
    shade = 0.75 + 0.3 * abs(body.facing)
    corners = body.joints[[3, 6, 12, 9]]
    _line(frame, body.joints[0], body.joints[1], 0.20 * body.scale, _shaded(look.suit, shade * 0.9))
    _polygon(frame, corners, _shaded(look.suit, shade))
    upper, lower = body.joints[[3, 6]].mean(axis=0), body.joints[[9, 12]].mean(axis=0)
    across = (body.joints[3] - body.joints[6]) * 0.30
    patch = np.stack(
        [
            upper + across,
            upper - across,
            lower * 0.7 + upper * 0.3 - across * 0.5,
            lower * 0.7 + upper * 0.3 + across * 0.5,
        ]
    )
    _polygon(frame, patch, look.stripe if body.facing > 0 else _shaded(look.skin, 0.8))
    if body.facing > 0:
        _line(frame, (upper + lower) / 2 + across, (upper + lower) / 2 - across, 0.06 * body.scale, look.stripe)


def _draw_head(frame: Image, body: _Body, look: Look) -> None:
    radius = 0.115 * body.scale
    order = [(body.bun, 0.6, look.hair), (body.joints[2], 1.0, look.hair), (body.nose, 0.78, look.skin)]
    for point, fraction, colour in order if body.facing > -0.25 else order[2:] + order[1:2] + order[:1]:
        x, y = (round(float(value) * (1 << _SHIFT)) for value in point)
        cv2.circle(frame, (x, y), round(radius * fraction * (1 << _SHIFT)), colour, -1, cv2.LINE_AA, _SHIFT)


def _shaded(colour: Colour, shade: float) -> Colour:
    red, green, blue = (min(int(value * shade), 255) for value in colour)
    return red, green, blue


def _line(frame: Image, start: Array, end: Array, width: float, colour: Colour) -> None:
    a = (round(float(start[0]) * (1 << _SHIFT)), round(float(start[1]) * (1 << _SHIFT)))
    b = (round(float(end[0]) * (1 << _SHIFT)), round(float(end[1]) * (1 << _SHIFT)))
    cv2.line(frame, a, b, colour, max(round(width), 1), cv2.LINE_AA, _SHIFT)


def _polygon(frame: Image, points: NDArray[np.floating], colour: Colour) -> None:
    fixed = np.round(points * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(frame, fixed, colour, cv2.LINE_AA, _SHIFT)
