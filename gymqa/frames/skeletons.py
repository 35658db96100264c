"""Skeleton definitions (COCO-17, OpenPose-18, GymSim-15): joint names, bones, left-right pairs, conversion."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError

Keypoints = NDArray[np.float32]  # [..., J, 3]: x, y, confidence in [0, 1]; all 0 for a joint that was not found


@dataclass(frozen=True)
class Skeleton:
    """A tree of joints.

    Attributes:
        name: name in options and files.
        joints: joint names, in the order of the arrays.
        bones: pairs of connected joints.
        centre: the joint nearest to the body's center, from which ST-GCN measures distances.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    centre: str

    def __len__(self) -> int:
        return len(self.joints)

    @property
    def edges(self) -> list[tuple[int, int]]:
        """The bones as pairs of joint indices."""
        return [(self.joints.index(one), self.joints.index(other)) for one, other in self.bones]

    @property
    def mirrored(self) -> list[int]:
        """Index of each joint's counterpart in a mirror image: left and right joints are exchanged."""
        return [self.joints.index(_other_side(name)) for name in self.joints]

    def take(self, keypoints: Keypoints, joints: Sequence[str]) -> Keypoints:
        """Convert keypoints of other joints to this skeleton: [..., K, 3] -> [..., J, 3].

        Joints are matched by name; nose and head match each other. A joint without a counterpart is 0 (not found).

        Raises:
            GymQAError: no joint has a counterpart.
        """
        found = np.zeros((*keypoints.shape[:-2], len(self), 3), np.float32)
        indices = [_index_of(name, joints) for name in self.joints]
        if all(index is None for index in indices):
            raise GymQAError(f"none of the joints {', '.join(joints)} is one of the skeleton {self.name}")
        for own, index in enumerate(indices):
            if index is not None:
                found[..., own, :] = keypoints[..., index, :]
        return found


def _other_side(name: str) -> str:
    """Name of the joint on the other side; a central joint's own name."""
    for side, other in (("left_", "right_"), ("right_", "left_")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name


def _index_of(name: str, joints: Sequence[str]) -> int | None:
    """Index of the joint of that name or of its substitute (nose for head, head for nose)."""
    stands_for = {"nose": "head", "head": "nose"}
    return next((joints.index(one) for one in (name, stands_for.get(name)) if one in joints), None)


def _limbs(*chains: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Bones along chains of joints, on both sides of the body."""
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
"""Skeletons by name; their numbers of joints differ."""


def skeleton_named(name: str) -> Skeleton:
    """A skeleton by name.

    Raises:
        GymQAError: there is no such skeleton.
    """
    if name not in SKELETONS:
        raise GymQAError(f"there is no skeleton {name!r}; choose one of {', '.join(SKELETONS)}")
    return SKELETONS[name]


def skeleton_of(joints: int) -> Skeleton:
    """The skeleton with this number of joints.

    Raises:
        GymQAError: there is none.
    """
    for skeleton in SKELETONS.values():
        if len(skeleton) == joints:
            return skeleton
    raise GymQAError(f"there is no skeleton of {joints} joints; choose one of {', '.join(SKELETONS)}")
