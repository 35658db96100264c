"""Augmentation of skeletons [B, N, J, 3]: affine warp, jitter, dropped joints (own file: augment.py handles frames).

Joints are (x, y in [-1, 1], confidence); a missing joint (confidence 0) stays all 0. A mirror swaps left and right
joints, so that a left arm stays a left arm.
"""

import torch
from torch import Generator, Tensor

from gymqa.frames.skeletons import skeleton_of

JITTER = 0.05
"""Standard deviation of a joint's position, in half frame widths, at RandAugment's magnitude 10."""


def warp_poses(poses: Tensor, maps: Tensor) -> Tensor:
    """Warp poses by the affine maps of a view: float [B, N, J, 3] -> the same.

    Args:
        poses: in the frame's coordinates.
        maps: [B, 3, 3] from the view's coordinates to the frame's, as for resampling frames.
    """
    inverse = torch.linalg.inv(maps).to(poses.device)
    positions = torch.einsum("bij,bnkj->bnki", inverse[:, :2, :2], poses[..., :2]) + inverse[:, None, None, :2, 2]
    found = poses[..., 2:]
    moved = torch.cat([positions * (found > 0), found], -1)
    mirrored = (torch.linalg.det(maps[:, :2, :2]) < 0).to(poses.device).view(-1, 1, 1, 1)
    return torch.where(mirrored, moved[:, :, skeleton_of(poses.shape[2]).mirrored], moved)


def jitter(poses: Tensor, deviation: float, rng: Generator) -> Tensor:
    """Add independent Gaussian noise to every found joint in every frame: [B, N, J, 3] -> the same."""
    noise = torch.randn(*poses.shape[:-1], 2, generator=rng).to(poses.device) * deviation
    return torch.cat([poses[..., :2] + noise * (poses[..., 2:] > 0), poses[..., 2:]], -1)


def drop_joints(poses: Tensor, probability: float, rng: Generator) -> Tensor:
    """Drop joints of a clip, in all its frames: [B, N, J, 3] -> the same."""
    kept = torch.rand(len(poses), 1, poses.shape[2], 1, generator=rng) >= probability
    return poses * kept.to(poses.device)
