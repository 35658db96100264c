"""ST-GCN: convolutions over the joints of a skeleton and over time (Yan et al., AAAI'18, arXiv 1801.07455).

As released: ten blocks, adjacency normalised by its columns, batch norm of the input. Unlike the release, which takes
all joints two or more bones from the centre for equally far, distances are counted along the bones, as the paper says;
and there is one person.
"""

from collections import deque

import torch
from torch import Tensor, nn

from gymqa.frames.skeletons import Skeleton, skeleton_named
from recognizers.backbones.base import Recognizer
from recognizers.backbones.clip_net import ClipFeatures
from recognizers.backbones.skeleton_net_sizes import STGCNConfig

BLOCKS = ((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1))
"""Channels of each block as multiples of the first's, and its stride in time."""


def partitioned_adjacency(skeleton: Skeleton) -> Tensor:
    """Spatial-configuration partitioning: float [3, J, J], a part, from joint, to joint.

    A joint receives from itself and its neighbours, each with the weight 1 / (how many these are). Part 0 is the joint
    itself (and neighbours as far from the skeleton's centre as it), part 1 the neighbours nearer to the centre, part 2
    those farther away.
    """
    joints = len(skeleton)
    linked = torch.eye(joints)
    for one, other in skeleton.edges:
        linked[one, other] = linked[other, one] = 1
    distance = torch.tensor(_distances(skeleton))
    step = distance[:, None] - distance  # of the joint that gives, seen from the one that receives
    parts = torch.stack([step == 0, step < 0, step > 0])
    return parts * linked / linked.sum(0)


def _distances(skeleton: Skeleton) -> list[int]:
    """Bones between each joint and the centre."""
    start = skeleton.joints.index(skeleton.centre)
    found, waiting = {start: 0}, deque([start])
    while waiting:
        joint = waiting.popleft()
        for edge in skeleton.edges:
            for other in {*edge} - {joint} if joint in edge else ():
                if other not in found:
                    found[other] = found[joint] + 1
                    waiting.append(other)
    return [found[joint] for joint in range(len(skeleton))]


class GraphConv(nn.Module):
    """A weight matrix for each part of a joint's neighbourhood: y_w = Σ_k Σ_v A_k[v, w] (W_k x_v + b_k)."""

    def __init__(self, d_in: int, d_out: int, parts: int) -> None:
        super().__init__()
        self.parts, self.conv = parts, nn.Conv2d(d_in, d_out * parts, 1)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """[B, C, T, J] and weighted parts [K, J, J] -> [B, C', T, J]."""
        by_part = self.conv(x).unflatten(1, (self.parts, -1))  # [B, K, C', T, J]
        return torch.einsum("bkctv,kvw->bctw", by_part, adjacency)


class Block(nn.Module):
    """A graph convolution, a convolution over time, and a shortcut around both.

    Args:
        d_in: channels.
        d_out: channels after it.
        kernel: frames that the convolution over time sees.
        stride: in time.
        parts: of the adjacency.
        dropout: behind the convolution over time.
        shortcut: the first block has none.
    """

    def __init__(
        self, d_in: int, d_out: int, kernel: int, stride: int, parts: int, dropout: float, shortcut: bool
    ) -> None:
        super().__init__()
        self.graph = GraphConv(d_in, d_out, parts)
        self.time = nn.Sequential(
            nn.BatchNorm2d(d_out),
            nn.ReLU(),
            nn.Conv2d(d_out, d_out, (kernel, 1), (stride, 1), (kernel // 2, 0)),
            nn.BatchNorm2d(d_out),
            nn.Dropout(dropout),
        )
        self.shortcut: nn.Module | None = None
        if shortcut and (d_in, stride) == (d_out, 1):
            self.shortcut = nn.Identity()
        elif shortcut:
            self.shortcut = nn.Sequential(nn.Conv2d(d_in, d_out, 1, (stride, 1)), nn.BatchNorm2d(d_out))

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        """[B, C, T, J] and weighted parts [K, J, J] -> [B, C', T / stride, J]."""
        out: Tensor = self.time(self.graph(x, adjacency))
        return torch.relu(out if self.shortcut is None else out + self.shortcut(x))


class STGCN(Recognizer):
    """Skeletons [B, N, J, 3] (x and y in [-1, 1], confidence) to logits [B, n_classes]."""

    config: STGCNConfig
    adjacency: Tensor

    def __init__(self, config: STGCNConfig) -> None:
        super().__init__(config)
        self.register_buffer("adjacency", partitioned_adjacency(skeleton_named(config.skeleton)), persistent=False)
        parts, joints, _ = self.adjacency.shape
        self.data_norm = nn.BatchNorm1d(joints * config.channels)
        self.blocks, d_in = nn.ModuleList(), config.channels
        for number, (times, stride) in enumerate(BLOCKS):
            first = number == 0
            dropout, d_out = 0.0 if first else config.dropout, times * config.width
            self.blocks.append(Block(d_in, d_out, config.kernel, stride, parts, dropout, shortcut=not first))
            d_in = d_out
        self.edge_importance = nn.ParameterList(torch.ones(parts, joints, joints) for _ in BLOCKS)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(d_in, config.n_classes)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, J, 3] -> a feature a moment, averaged over the joints, and their mean."""
        x = self.data_norm(frames.flatten(2).transpose(1, 2))  # [B, J · 3, N]
        x = x.unflatten(1, frames.shape[2:]).permute(0, 2, 3, 1)  # [B, 3, N, J]
        for block, importance in zip(self.blocks, self.edge_importance, strict=True):
            x = block(x, self.adjacency * importance)
        tokens = x.mean(3).transpose(1, 2)  # [B, N / 4, F]
        return ClipFeatures(tokens, tokens.mean(1))

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits
