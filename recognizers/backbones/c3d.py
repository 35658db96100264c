"""C3D: 3-D convolutional network and config (Tran et al., ICCV'15, arXiv 1412.0767)."""

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.base import GYM99, Recognizer
from recognizers.backbones.clip_net import ClipFeatures, ClipNetConfig
from recognizers.weights_io.normalisation import renormalise

LAYERS = ((1,), (2,), (4, 4), (8, 8), (8, 8))
"""Channels of the layers before each pooling, as multiples of `width`. The first pooling keeps time."""


@dataclass(frozen=True)
class C3DConfig(ClipNetConfig):
    """Config of C3D (Tran et al., ICCV'15).

    Attributes:
        wide: units of the two fully connected layers.
    """

    image_size: int = 112
    n_frames: int = 16
    wide: int = 4096

    family: ClassVar[str] = "c3d"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size < 16 or self.wide < 1:
            raise GymQAError(f"{self}: four poolings leave nothing of fewer than 16 px, and wide is at least 1")

    def build(self) -> "Recognizer":
        """Build the model with fresh weights."""
        return C3D(self)


class C3D(Recognizer):
    """Eight 3 × 3 × 3 convolutions, five poolings, two fully connected layers; the second gives the clip feature."""

    config: C3DConfig

    def __init__(self, config: C3DConfig) -> None:
        super().__init__(config)
        layers: list[nn.Module] = []
        d_in, time, side = config.channels, config.n_frames, config.image_size
        for number, channels in enumerate(LAYERS):
            for times in channels:
                layers += [nn.Conv3d(d_in, config.width * times, 3, padding=1), nn.ReLU(inplace=True)]
                d_in = config.width * times
            last, over = (
                number == len(LAYERS) - 1,
                1 if number == 0 or time == 1 else 2,
            )  # a single time step is not halved
            layers.append(nn.MaxPool3d((over, 2, 2), padding=(0, 1, 1) if last else 0))
            time, side = time // over, (side + 2 * last) // 2
        self.backbone = nn.Sequential(*layers)
        self.fc6, self.fc7 = nn.Linear(d_in * time * side * side, config.wide), nn.Linear(config.wide, config.wide)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(config.wide, config.n_classes)
        for module in (*self.backbone, self.fc6, self.fc7):  # He initialisation: ten layers without batch norm
            if isinstance(module, nn.Conv3d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> the clip feature, which is also the only token."""
        x = self.backbone(renormalise(frames, self.config.pixels).transpose(1, 2)).flatten(1)
        fused = F.relu(self.fc7(self.dropout(F.relu(self.fc6(x)))))
        return ClipFeatures(fused.unsqueeze(1), fused)


def c3d() -> C3DConfig:
    """C3D on 16 consecutive frames."""
    return C3DConfig(stride=1, n_classes=GYM99)
