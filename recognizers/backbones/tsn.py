"""TSN: Temporal Segment Networks (Wang et al., ECCV'16, arXiv 1608.00859), with the average as segment consensus."""

from torch import Tensor

from recognizers.backbones.frame_net import FrameFeatures, FrameNet


class TSN(FrameNet):
    """Every segment's frame is seen by the same 2-D network, and their scores are averaged.

    The mean is taken of the features instead of the scores: the same number, for the last layer is linear, and one
    draw of dropout a clip. The order of the frames does not matter.
    """

    def forward_features(self, frames: Tensor) -> FrameFeatures:
        """[B, N, C, S, S] -> features of the frames, and their mean."""
        tokens = self.forward_frames(frames)
        return FrameFeatures(tokens, tokens.mean(1))
