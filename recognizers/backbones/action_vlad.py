"""ActionVLAD and config: VLAD pooling of local features over space and time (CVPR'17, arXiv 1704.02895).

Kept: L2-normalised features, soft assignment over space and time, intra- and L2-normalisation, centres initialised by
k-means, training of the head alone before the whole network. Batch norm statistics are computed on training clips
before the first step and frozen while the head is trained alone, so that the centres fit its features. Left out: the
released code decouples the assignment from the centres (two more tensors); the second stage's learning rate, a
hundredth of the first's, follows the run's schedule.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch
import torch.nn.functional as F
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import Architecture, FrameFeatures, FrameNet, FrameNetConfig
from recognizers.backbones.image.resnet import pooled

BATCHES, LOCATIONS, KMEANS_STEPS = 64, 64, 25
"""Batches of training clips for batch norm and k-means, random feature locations of each clip, steps of k-means."""
EPS = 1e-6  # of the released code: the square root of TensorFlow's epsilon


def vlad(features: Tensor, centres: Tensor, sharpness: float) -> Tensor:
    """NetVLAD descriptor (equations 1 and 2): soft-assigned residuals summed for each centre, then normalised twice.

    Args:
        features: x, [B, M, D], in any order of the M locations.
        centres: c, [K, D].
        sharpness: α; the soft assignment to centre k is softmax_k(-α ‖x - c_k‖²).

    Returns:
        [B, K · D] of unit length, with equal norm for each centre.
    """
    nearness = sharpness * (2 * features @ centres.T - centres.square().sum(-1))  # ‖x‖² is the same for all centres
    assignment = nearness.softmax(-1)  # [B, M, K]
    sums = assignment.transpose(1, 2) @ features - assignment.sum(1).unsqueeze(-1) * centres  # [B, K, D]
    return F.normalize(F.normalize(sums, dim=-1, eps=EPS).flatten(1), dim=-1, eps=EPS)


@dataclass(frozen=True)
class ActionVLADConfig(FrameNetConfig):
    """Config of ActionVLAD (Girdhar et al., CVPR'17): VLAD pooling of local features over space and time.

    Attributes:
        clusters: K, number of centres.
        sharpness: α of the soft assignment; the larger, the closer to hard assignment.
        head_first: first fraction of the training (after a pre-training) in which only the head is trained.
    """

    architecture: Architecture = "bn_inception"
    segments: int = 25
    clusters: int = 64
    sharpness: float = 1000.0
    head_first: float = 0.5

    family: ClassVar[str] = "actionvlad"
    prepared: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clusters < 1 or self.sharpness <= 0 or not 0 <= self.head_first < 1:
            raise GymQAError(f"{self}: clusters are at least 1, sharpness more than 0, head_first from 0 to below 1")

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return ActionVLAD(self)


class ActionVLAD(FrameNet):
    """A 2-D network and VLAD pooling over all locations of all frames; invariant to the order of frames."""

    config: ActionVLADConfig

    def __init__(self, config: ActionVLADConfig) -> None:
        super().__init__(config)
        dim = self.backbone.dim
        self.centres = nn.Parameter(F.normalize(torch.randn(config.clusters, dim), dim=-1))
        self.head = nn.Linear(config.clusters * dim, config.n_classes)
        self._centres_loaded = False

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, 3, S, S] -> features of the frames, and the clip's VLAD [B, K · D]."""
        maps = self.forward_maps(frames)  # [B, N, D, h, w]
        tokens = pooled(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])
        kind = "cpu" if frames.is_meta else frames.device.type  # the meta device has no autocast
        with torch.autocast(kind, enabled=False):  # α amplifies rounding errors of the distances
            fused = vlad(_local_features(maps), self.centres.float(), self.config.sharpness)
        return FrameFeatures(tokens, fused)

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Load published weights or a saved recognizer; loaded centres are kept instead of k-means."""
        before = self.centres.detach().clone()
        said = super().start_from(source, copy_attention)
        self._centres_loaded = said is not None and not torch.equal(before, self.centres)
        return f"{said}; the loaded centres stay, without k-means" if self._centres_loaded else said

    @torch.no_grad()
    def prepare(self, clips: Iterable[Tensor], seed: int) -> None:
        """Data-dependent initialisation: batch norm statistics and k-means centres from training clips.

        Does nothing where centres were loaded.

        Raises:
            GymQAError: the clips have fewer feature locations than there are centres.
        """
        if self._centres_loaded:
            return

        rng = torch.Generator().manual_seed(seed)
        self._reset_batch_norm(clips)
        self.eval()
        found = []
        for frames in islice(clips, BATCHES):
            local = _local_features(self.forward_maps(frames)).cpu()  # [B, M, D]
            found.append(local[:, torch.randperm(local.shape[1], generator=rng)[:LOCATIONS]].flatten(0, 1))
        seen = torch.cat(found) if found else torch.empty(0, self.backbone.dim)
        if len(seen) < self.config.clusters:
            raise GymQAError(
                f"{self.config.clusters} centres cannot be found from {len(seen)} features of the training clips; "
                "set clusters to fewer, or give more clips"
            )
        centres, _ = kmeans2(seen.numpy(), self.config.clusters, iter=KMEANS_STEPS, minit="++", rng=seed)
        self.centres.copy_(torch.from_numpy(centres))

    def _reset_batch_norm(self, clips: Iterable[Tensor]) -> None:
        """Set batch norm's running statistics to the average over batches of training clips."""
        norms = [one for one in self.backbone.modules() if isinstance(one, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # cumulative average over all batches
        self.backbone.train()
        size = 0
        for frames in islice(clips, BATCHES):
            size = size or len(frames)
            if len(frames) == size:  # skip a smaller last batch: one clip may have no variance
                self.forward_maps(frames)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def frozen_parameters(self, progress: float) -> list[nn.Parameter]:
        """All but the head's, during the first fraction `head_first` of the training."""
        if progress >= self.config.head_first:
            return []
        return [one for name, one in self.named_parameters() if not name.startswith("head.")]


def _local_features(maps: Tensor) -> Tensor:
    """L2-normalised features of all locations of all frames: [B, N, D, h, w] -> [B, N h w, D]."""
    return F.normalize(maps.float().movedim(2, -1).flatten(1, 3), dim=-1)


def actionvlad_bn_inception() -> ActionVLADConfig:
    """ActionVLAD on BN-Inception: 25 segments, 64 centres (the paper and FineGym use VGG-16)."""
    return ActionVLADConfig(image_size=224, n_classes=GYM99)
