"""ConvNet+LSTM, the first of the five families in I3D's paper (Carreira and Zisserman, CVPR'17, arXiv 1705.07750).

Kept: 512 units behind the last pooling of Inception-v1, batch norm, a linear head. Left out: the paper normalises
inside the LSTM's steps (Cooijmans et al., 2016), here what goes into it is normalised; and it adds up the losses of all
frames' outputs and tests by the last one, here the loss and the test see the same: their mean, or the last.
"""

from torch import Tensor, nn

from recognizers.backbones.frame_net import FrameFeatures, FrameNet
from recognizers.backbones.frame_net_sizes import FrameLSTMConfig


class FrameLSTM(FrameNet):
    """Frames' features are read one after the other; see FrameLSTMConfig."""

    config: FrameLSTMConfig

    def __init__(self, config: FrameLSTMConfig) -> None:
        super().__init__(config, config.hidden)
        self.norm = nn.BatchNorm1d(self.backbone.dim)
        self.lstm = nn.LSTM(self.backbone.dim, config.hidden, batch_first=True)

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, 3, S, S] -> outputs after each frame [B, N, F], and the clip's [B, F]."""
        seen = self.forward_frames(frames)  # [B, N, D]
        tokens, _ = self.lstm(self.norm(seen.flatten(0, 1)).view_as(seen))
        return FrameFeatures(tokens, tokens.mean(1) if self.config.outputs == "all" else tokens[:, -1])
