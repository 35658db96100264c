"""Kinematics of vaults."""

import numpy as np

from gymqa.sim.elements import SimElement
from gymqa.sim.motion import (
    IN_AIR,
    LANDING,
    RESET,
    TABLE_HEIGHT,
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
from gymqa.sim.skeleton import Build, Pose


def vault(element: SimElement, build: Build, rng: np.random.Generator) -> Motion:
    """Vault in three stages: springboard and first flight, hands on the table, second flight and landing.

    The body rolls over the table in the same direction every time; after a round-off it arrives backward, and half a
    turn onto the table reverses the direction of the salto.
    """
    t = times(rng.uniform(1.5, 2.0))
    board, touch, push, land = 0.08, rng.uniform(0.22, 0.27), rng.uniform(0.31, 0.36), rng.uniform(0.86, 0.92)
    air, stretched = IN_AIR[element.shape], {**RESET, "arm": 175.0}
    keys: Keys = [(0.0, TAKE_OFF), (board, stretched), (push, stretched), (push + 0.12, air), (land - 0.12, air)]
    pose = Pose.from_keys(
        t, [*keys, (land, {**RESET, "arm": 140.0, "hip": 15.0}), (0.97, LANDING), (1.0, {"knee": 30.0})]
    )
    pose.jitter(rng, 4.0)
    second = phase(t, push, land)
    angle = piecewise_linear(t, [0.0, board, touch, push], [0.0, 20.0, 155.0, 215.0])
    angle = angle + 505.0 * rotation_progress(second, element.shape)
    way = random_side(rng)
    twist = way * 360.0 * element.turns * phase(t, push + 0.1, land - 0.06)
    if element.entry in ("tsukahara", "round-off, half turn"):
        twist = twist + way * 180.0 * phase(t, board, push)
    comes = -1.0 if element.entry.startswith("round-off") else 1.0
    heading = np.full_like(t, 0.0 if comes > 0 else 180.0)
    relative, front = place_body(build, Track(pose, heading, comes * angle, twist))
    standing = -relative[:, :, 2].min(axis=1)
    x = piecewise_linear(t, [0, board, (touch + push) / 2, land, 1], [-1.4, -1.1, 0.0, rng.uniform(2.3, 3.2), 3.2])
    handstand = TABLE_HEIGHT + 0.75
    rise = piecewise_linear(t, [0, board, touch, push], [standing[0], standing[0] + 0.1, handstand - 0.05, handstand])
    fall = handstand + (standing[-1] - handstand) * second + 4 * rng.uniform(0.75, 1.05) * second * (1 - second)
    centre = np.stack([x, np.zeros_like(t), np.where(second > 0, np.where(second < 1, fall, standing), rise)], axis=-1)
    return Motion(relative + centre[:, None], front, centre, (0.0, float(touch), float(push), 1.0))
