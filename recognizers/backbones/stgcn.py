"""ST-GCN: graph convolutions over skeleton joints and time, and config (Yan et al., AAAI'18, arXiv 1801.07455).

As released: ten blocks, column-normalised adjacency, batch norm of the input. Unlike the release, which takes all
joints two or more bones from the centre for equally far, distances are counted along the bones, as in the paper; and
there is one person.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices, dense
from gymqa.frames.skeletons import Skeleton, skeleton_named
from recognizers.backbones.base import GYM99, ModelConfig, Recognizer
from recognizers.backbones.clip_net import ClipFeatures

BLOCKS = ((1, 1), (1, 1), (1, 1), (1, 1), (2, 2), (2, 1), (2, 1), (4, 2), (4, 1), (4, 1))
"""Channels of each block as multiples of `width`, and its temporal stride."""


def partitioned_adjacency(skeleton: Skeleton) -> Tensor:
    """Adjacency by spatial-configuration partitioning: float [3, J, J] (part, from joint, to joint).

    A joint receives from itself and its neighbours, each with the weight 1 / (how many these are). Part 0 is the joint
    itself (and neighbours as far from the skeleton's centre as it), part 1 the neighbours nearer to the centre, part 2
    those farther away.
    """
    joints = len(skeleton)
    linked = torch.eye(joints)
    for one, other in skeleton.edges:
        linked[one, other] = linked[other, one] = 1
    distance = torch.tensor(_distances(skeleton))
    step = distance[:, None] - distance  # sender's distance minus receiver's
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
    """A graph convolution, a temporal convolution, and a residual connection.

    Args:
        d_in: input channels.
        d_out: output channels.
        kernel: size of the temporal convolution.
        stride: temporal stride.
        parts: parts of the adjacency.
        dropout: after the temporal convolution.
        shortcut: whether there is a residual connection (not in the first block).
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


@dataclass(frozen=True)
class STGCNConfig(ModelConfig):
    """Config of ST-GCN (Yan et al., AAAI'18); the defaults are the published network's on COCO's joints.

    Attributes:
        image_size: unused: joint coordinates are relative to the frame.
        n_frames: frames of a clip; those of a short clip are repeated.
        stride: step between sampled frames; 0 spreads them evenly over the whole clip.
        width: channels of the first four blocks; the next three have twice, the last three four times as many.
        kernel: size of the temporal convolutions, odd.
        skeleton: name of the joint set: coco17, gymsim15 or openpose18.
        dropout: after each temporal convolution but the first.
        head_dropout: before the last layer; 0 in the published network, but needed by algorithms with several
            stochastic teacher passes.
    """

    image_size: int = 1
    n_frames: int = 100
    stride: int = 0
    width: int = 64
    kernel: int = 9
    skeleton: str = "coco17"
    dropout: float = 0.5
    head_dropout: float = 0.5
    modality: Modality = field(default="pose", init=False)

    family: ClassVar[str] = "stgcn"

    def __post_init__(self) -> None:
        super().__post_init__()
        skeleton_named(self.skeleton)
        if min(self.n_frames, self.width, self.n_classes) < 1 or self.stride < 0 or self.kernel % 2 != 1:
            raise GymQAError(f"{self}: n_frames, width and n_classes are at least 1, stride at least 0, kernel is odd")

    @property
    def elements(self) -> tuple[int, ...]:
        """One element of all frames."""
        return (self.n_frames,)

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of one frame's skeleton: (J, 3)."""
        return (len(skeleton_named(self.skeleton)), self.channels)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input clip: (N, J, 3)."""
        return (self.frames, *self.frame_shape)

    @property
    def skeleton_name(self) -> str:
        """Name of the input skeleton."""
        return self.skeleton

    @property
    def mix_parts(self) -> int:
        """Joints, which TokenMix exchanges."""
        return self.frame_shape[0]

    @property
    def tokens(self) -> int:
        """Time steps after striding: ¼ of the frames."""
        return -(-self.n_frames // 4)

    def sample(self, n_frames: int, rng: np.random.Generator | None = None, within: float = 0.5) -> Indices:
        """Frames at a fixed stride, or spread over the clip; see `ModelConfig.sample`."""
        if not self.stride:
            return super().sample(n_frames, rng, within)
        return dense(n_frames, self.n_frames, self.stride, rng, within)

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return STGCN(self)


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
        """[B, N, J, 3] -> joint-averaged features of the time steps, and their mean."""
        x = self.data_norm(frames.flatten(2).transpose(1, 2))  # [B, J · 3, N]
        x = x.unflatten(1, frames.shape[2:]).permute(0, 2, 3, 1)  # [B, 3, N, J]
        for block, importance in zip(self.blocks, self.edge_importance, strict=True):
            x = block(x, self.adjacency * importance)
        tokens = x.mean(3).transpose(1, 2)  # [B, N / 4, F]
        return ClipFeatures(tokens, tokens.mean(1))


def stgcn() -> STGCNConfig:
    """ST-GCN on COCO's 17 joints, 100 frames spread over the clip."""
    return STGCNConfig(n_classes=GYM99)


def stgcn_gymsim() -> STGCNConfig:
    """ST-GCN on GymSim's 15 joints."""
    return replace(stgcn(), skeleton="gymsim15", n_frames=32)
