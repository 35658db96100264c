"""Skeletons: which joints a keypoint array has, how bones connect them, and which change places in a mirror."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

Keypoints = NDArray[np.float32]  # [..., J, 3]: x, y, confidence in [0, 1]; a joint that was not found is all 0


@dataclass(frozen=True)
class Skeleton:
    """A tree of joints.

    Attributes:
        name: what options and files call it.
        joints: names, in the order of the arrays.
        bones: pairs of joints that a bone connects.
        centre: the joint nearest to the body's centre, from which ST-GCN measures distances.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    centre: str

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The bones by number."""
        return [(self.joints.index(one), self.joints.index(other)) for one, other in self.bones]

    @property
    def mirrored(self) -> list[int]:
        """Where each joint's value comes from in a mirror image: left joints from right ones, and the reverse."""
        return [self.joints.index(_other_side(name)) for name in self.joints]

    def take(self, keypoints: Keypoints, joints: Sequence[str]) -> Keypoints:
        """Keypoints of other joints as this skeleton's: [..., K, 3] -> [..., J, 3].

        Joints go by their names; a nose may be the centre of a head. One that has no counterpart was not found: 0.

        Raises:
            GymQAError: not a single joint is among ours.
        """
        found = np.zeros((*keypoints.shape[:-2], len(self), 3), np.float32)
        places = [_place(name, joints) for name in self.joints]
        if all(place is None for place in places):
            raise GymQAError(f"none of the joints {', '.join(joints)} is one of the skeleton {self.name}")
        for own, place in enumerate(places):
            if place is not None:
                found[..., own, :] = keypoints[..., place, :]
        return found


def _other_side(name: str) -> str:
    """The joint of the other side; one in the middle is its own."""
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def _place(name: str, joints: Sequence[str]) -> int | None:
    """Number of the joint of that name, or of what stands for it."""
    stands_for = {"nose": "head", "head": "nose"}
    return next((joints.index(one) for one in (name, stands_for.get(name)) if one in joints), None)


def _limbs(*chains: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Bones along chains of joints, on the left and on the right."""
    pairs = [pair for chain in chains for pair in pairwise(chain)]
    return tuple((f"{side}_{one}", f"{side}_{other}") for side in ("left", "right") for one, other in pairs)


_BOTH = ("left", "right")
_ARM, _LEG = ("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle")

COCO17 = Skeleton(  # the tree that PYSKL's ST-GCN uses (arXiv 2205.09443)
    "coco17",
    ("nose", *(f"{side}_{part}" for part in ("eye", "ear", *_ARM, *_LEG) for side in _BOTH)),
    (*_limbs(("shoulder", "hip"), _ARM, _LEG, ("eye", "ear")),
     *(("nose", f"{side}_{part}") for part in ("eye", "shoulder") for side in _BOTH)),
    "nose",
)  # fmt: skip
OPENPOSE18 = Skeleton(  # Kinetics-skeleton's, in the published ST-GCN
    "openpose18",
    ("nose", "neck", *(f"{side}_{part}" for limb in (_ARM, _LEG) for side in ("right", "left") for part in limb),
     *(f"{side}_{part}" for part in ("eye", "ear") for side in ("right", "left"))),
    (*_limbs(("shoulder", "hip"), _ARM, _LEG, ("eye", "ear")), ("nose", "neck"),
     *((middle, f"{side}_{part}") for middle, part in (("neck", "shoulder"), ("nose", "eye")) for side in _BOTH)),
    "neck",
)  # fmt: skip
GYMSIM15 = Skeleton(
    "gymsim15",
    ("pelvis", "neck", "head",
     "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist",
     "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle"),
    (*_limbs(_ARM, _LEG), ("pelvis", "neck"), ("neck", "head"),
     *((middle, f"{side}_{part}") for middle, part in (("neck", "shoulder"), ("pelvis", "hip")) for side in _BOTH)),
    "pelvis",
)  # fmt: skip
SKELETONS = {one.name: one for one in (COCO17, GYMSIM15, OPENPOSE18)}
"""By name; no two have as many joints."""


def skeleton_named(name: str) -> Skeleton:
    """A skeleton by name.

    Raises:
        GymQAError: there is none of that name.
    """
    if name not in SKELETONS:
        raise GymQAError(f"there is no skeleton {name!r}; choose one of {', '.join(SKELETONS)}")
    return SKELETONS[name]


def skeleton_of(joints: int) -> Skeleton:
    """The skeleton with so many joints.

    Raises:
        GymQAError: there is none.
    """
    for skeleton in SKELETONS.values():
        if len(skeleton) == joints:
            return skeleton
    raise GymQAError(f"there is no skeleton of {joints} joints; choose one of {', '.join(SKELETONS)}")
