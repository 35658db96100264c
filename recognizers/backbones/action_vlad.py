"""ActionVLAD (Girdhar et al., CVPR'17, arXiv 1704.02895): places of all frames, gathered around k centres.

Kept: features of length 1, one soft assignment over space and time, norms of each centre's sum and of all of them,
centres from k-means, first the head alone and then everything. Batch norm's statistics are those of the training clips
from the start, and stay so while the head learns alone: the centres fit what the head sees. Left out: the released code
lets the assignment drift away from the centres (two more tensors); the second step's learning rate, a hundredth of the
first's, is the one schedule's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

import torch
import torch.nn.functional as F
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.frame_net import Architecture, FrameFeatures, FrameNet, FrameNetConfig
from recognizers.backbones.image.resnet import pooled

BATCHES, PLACES = 64, 64
"""Batches of training clips that statistics and centres are found from, and places of each of their clips."""
EPS = 1e-6  # of the released code: the root of what TensorFlow adds under it


def vlad(features: Tensor, centres: Tensor, sharpness: float) -> Tensor:
    """Equations 1 and 2: for each centre, the sum of what belongs to it, as seen from it; then both norms.

    Args:
        features: x, [B, M, D]; the order of the M does not matter.
        centres: c, [K, D].
        sharpness: α; a feature belongs to centre k by softmax_k(-α ‖x - c_k‖²).

    Returns:
        [B, K · D], of length 1, each centre's D of the same length.
    """
    nearness = sharpness * (2 * features @ centres.T - centres.square().sum(-1))  # ‖x‖² is the same for all centres
    belongs = nearness.softmax(-1)  # [B, M, K]
    sums = belongs.transpose(1, 2) @ features - belongs.sum(1).unsqueeze(-1) * centres  # [B, K, D]
    return F.normalize(F.normalize(sums, dim=-1, eps=EPS).flatten(1), dim=-1, eps=EPS)


@dataclass(frozen=True)
class ActionVLADConfig(FrameNetConfig):
    """ActionVLAD (Girdhar et al., CVPR'17): which of k kinds of places the clip shows, and how they differ from these.

    Attributes:
        clusters: k.
        sharpness: α of the soft assignment; the larger, the more a place belongs to its nearest centre only.
        head_first: share of the training, at its begin (after a pre-training), in which nothing but the head learns.
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
        """The model of these sizes, with fresh weights."""
        return ActionVLAD(self)


class ActionVLAD(FrameNet):
    """The order of the frames does not matter; which places of which frames look alike does."""

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
        kind = "cpu" if frames.is_meta else frames.device.type  # meta, where shapes alone are computed, has no autocast
        with torch.autocast(kind, enabled=False):  # α times a rounded distance is no distance
            fused = vlad(_places(maps), self.centres.float(), self.config.sharpness)
        return FrameFeatures(tokens, fused)

    def start_from(self, source: str, copy_attention: bool = True) -> str | None:
        """Start from published weights, or a saved recognizer; centres among them stay as they are."""
        before = self.centres.detach().clone()
        said = super().start_from(source, copy_attention)
        self._centres_loaded = said is not None and not torch.equal(before, self.centres)
        return f"{said}; the loaded centres stay, without k-means" if self._centres_loaded else said

    @torch.no_grad()
    def prepare(self, clips: Iterable[Tensor], seed: int) -> None:
        """Give batch norm the statistics of training clips, and put the centres where k-means finds them there.

        Nothing of it where centres, and the statistics that they fit, were loaded.

        Raises:
            GymQAError: the clips have fewer places than there are centres.
        """
        if self._centres_loaded:
            return

        rng = torch.Generator().manual_seed(seed)
        self._take_statistics(clips)
        self.eval()
        found = []
        for frames in islice(clips, BATCHES):
            places = _places(self.forward_maps(frames)).cpu()  # [B, M, D]
            found.append(places[:, torch.randperm(places.shape[1], generator=rng)[:PLACES]].flatten(0, 1))
        seen = torch.cat(found) if found else torch.empty(0, self.backbone.dim)
        if len(seen) < self.config.clusters:
            raise GymQAError(
                f"{self.config.clusters} centres cannot be found in {len(seen)} places of the training clips; "
                "set clusters to fewer, or give more clips"
            )
        means = MiniBatchKMeans(self.config.clusters, random_state=seed, n_init=3).fit(seen.numpy())
        self.centres.copy_(torch.from_numpy(means.cluster_centers_))

    def _take_statistics(self, clips: Iterable[Tensor]) -> None:
        """Batch norm's means and variances become the means over batches of clips, as they are seen in training."""
        norms = [one for one in self.backbone.modules() if isinstance(one, nn.BatchNorm2d)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's word for the mean over all batches
        self.backbone.train()
        size = 0
        for frames in islice(clips, BATCHES):
            size = size or len(frames)
            if len(frames) == size:  # a last, smaller batch is no measure, and one clip may have no variance
                self.forward_maps(frames)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def held(self, share: float) -> list[nn.Parameter]:
        """All but the head's, at the training's begin."""
        if share >= self.config.head_first:
            return []
        return [one for name, one in self.named_parameters() if not name.startswith("head.")]


def _places(maps: Tensor) -> Tensor:
    """Features of all places of all frames, of length 1: [B, N, D, h, w] -> [B, N h w, D]."""
    return F.normalize(maps.float().movedim(2, -1).flatten(1, 3), dim=-1)


def actionvlad_bn_inception() -> ActionVLADConfig:
    """ActionVLAD: 25 segments, 64 centres; the paper's and FineGym's stand on VGG-16."""
    return ActionVLADConfig(image_size=224, n_classes=GYM99)
