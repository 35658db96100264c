"""Networks of two streams, frames and flow: late fusion, fusion by a 3-D layer, and two I3Ds.

Late fusion adds the streams' class scores, which is one linear head on both features side by side. The papers train the
streams apart and average their softmax; `gymqa fuse` does that with the predictions of two recognizers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.modalities import channels
from recognizers.backbones.clip_net import ClipFeatures
from recognizers.backbones.frame_net import FrameFeatures, frame_network
from recognizers.backbones.i3d import inception_in_time
from recognizers.backbones.inception_v1 import InceptionV1
from recognizers.backbones.inflation import inflate
from recognizers.backbones.resnet import pooled
from recognizers.recognizer import Recognizer
from recognizers.two_stream_sizes import Fused3DConfig, TwoStreamConfig, TwoStreamI3DConfig

RGB, FLOW = channels("rgb"), channels("flow")


class _Streams(Recognizer):
    """What the three share: two networks, and a head behind dropout.

    Args:
        config: sizes.
        rgb: sees frames.
        flow: sees flow.
        dim: of the fused feature.
    """

    def __init__(self, config: TwoStreamConfig | TwoStreamI3DConfig, rgb: nn.Module, flow: nn.Module, dim: int) -> None:
        super().__init__(config)
        self.rgb, self.flow = rgb, flow
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(dim, config.n_classes)

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits


class TwoStream(_Streams):
    """A segment's middle frame in one stream, its fields of flow, stacked as channels, in the other."""

    config: TwoStreamConfig

    def __init__(self, config: TwoStreamConfig, dim: int | None = None) -> None:
        rgb = frame_network(config, RGB)
        super().__init__(config, rgb, frame_network(config, FLOW * config.stack), dim or 2 * rgb.dim)

    def forward_maps(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N · stack, 5, S, S] -> the streams' last maps, [B · N, D, h, w] each."""
        segments = frames.unflatten(1, (-1, self.config.stack)).flatten(0, 1)  # [B · N, stack, 5, S, S]
        middle = segments[:, self.config.stack // 2, :RGB]
        return self.rgb(middle), self.flow(segments[:, :, RGB:].flatten(1, 2))

    def forward_features(self, frames: Tensor) -> FrameFeatures | ClipFeatures:
        """[B, N · stack, 5, S, S] -> both streams' features of the segments, and their mean."""
        both = torch.cat([pooled(one) for one in self.forward_maps(frames)], -1)  # [B · N, 2 D]
        tokens = both.unflatten(0, (len(frames), -1))
        return FrameFeatures(tokens, tokens.mean(1))


class TwoStream3DFused(TwoStream):
    """Both streams' last maps, of all segments, through a 3 × 3 × 3 layer and a 3 × 3 × 3 pooling of stride 2."""

    config: Fused3DConfig

    def __init__(self, config: Fused3DConfig) -> None:
        super().__init__(config, config.fused_dim)
        d_in = sum(int(getattr(stream, "dim")) for stream in (self.rgb, self.flow))  # noqa: B009  modules by their type
        self.fusion = nn.Conv3d(d_in, config.fused_dim, 3, padding=1)
        self.pool = nn.MaxPool3d(3, 2, 1)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N · stack, 5, S, S] -> features of every other segment, and their mean."""
        maps = torch.cat(self.forward_maps(frames), 1)  # [B · N, 2 D, h, w]
        clip = maps.unflatten(0, (len(frames), -1)).transpose(1, 2)  # [B, 2 D, N, h, w]
        tokens = self.pool(F.relu(self.fusion(clip))).mean((3, 4)).transpose(1, 2)  # [B, (N + 1) / 2, F]
        return ClipFeatures(tokens, tokens.mean(1))


class TwoStreamI3D(_Streams):
    """An I3D on Inception-v1 in each stream."""

    config: TwoStreamI3DConfig

    def __init__(self, config: TwoStreamI3DConfig) -> None:
        rgb, flow = InceptionV1(config.width, RGB), InceptionV1(config.width, FLOW)
        super().__init__(config, inflate(rgb, inception_in_time), inflate(flow, inception_in_time), rgb.dim + flow.dim)

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, 5, S, S] -> both streams' features of moments, and their mean."""
        clip = frames.transpose(1, 2)  # [B, 5, N, S, S]
        maps = torch.cat([self.rgb(clip[:, :RGB]), self.flow(clip[:, RGB:])], 1)  # [B, 2 F, T', h, w]
        tokens = maps.mean((3, 4)).transpose(1, 2)
        return ClipFeatures(tokens, tokens.mean(1))
