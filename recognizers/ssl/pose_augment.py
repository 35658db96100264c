"""Views of skeletons [B, N, J, 3] (x, y in [-1, 1], confidence): geometry as of pictures, jitter, and lost joints.

A joint that was not found (confidence 0) stays all 0. In a mirror image left and right joints change places, so that a
left arm stays one.
"""

import torch
from torch import Generator, Tensor

from gymqa.frames.skeletons import skeleton_of

JITTER = 0.05
"""Standard deviation of a joint's place, in half pictures, at RandAugment's magnitude 10."""


def seen_through(poses: Tensor, maps: Tensor) -> Tensor:
    """Poses as they lie in views of the picture: float [B, N, J, 3] -> the same.

    Args:
        poses: in the picture's coordinates.
        maps: [B, 3, 3] from a view's coordinates to the picture's, as pictures are sampled through.
    """
    inverse = torch.linalg.inv(maps).to(poses.device)
    places = torch.einsum("bij,bnkj->bnki", inverse[:, :2, :2], poses[..., :2]) + inverse[:, None, None, :2, 2]
    found = poses[..., 2:]
    moved = torch.cat([places * (found > 0), found], -1)
    mirrored = (torch.linalg.det(maps[:, :2, :2]) < 0).to(poses.device).view(-1, 1, 1, 1)
    return torch.where(mirrored, moved[:, :, skeleton_of(poses.shape[2]).mirrored], moved)


def jitter(poses: Tensor, deviation: float, rng: Generator) -> Tensor:
    """Move every joint that was found by normal noise of its own in every frame: [B, N, J, 3] -> the same."""
    noise = torch.randn(*poses.shape[:-1], 2, generator=rng).to(poses.device) * deviation
    return torch.cat([poses[..., :2] + noise * (poses[..., 2:] > 0), poses[..., 2:]], -1)


def drop_joints(poses: Tensor, probability: float, rng: Generator) -> Tensor:
    """Lose whole joints of a clip, in all its frames: [B, N, J, 3] -> the same."""
    kept = torch.rand(len(poses), 1, poses.shape[2], 1, generator=rng) >= probability
    return poses * kept.to(poses.device)
