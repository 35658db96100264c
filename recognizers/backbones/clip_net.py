"""Networks that see a clip in three dimensions, to a mean over time and picture, and a linear head."""

from typing import NamedTuple

from torch import Tensor, nn

from gymqa.errors import GymQAError
from recognizers.backbones.inception_v1 import InceptionV1
from recognizers.backbones.published import Published, StartsFromPublished, load_whole
from recognizers.backbones.resnet import ResNet
from recognizers.backbones.vit_weights import LoadReport
from recognizers.clip_net_sizes import ClipNetConfig
from recognizers.pixel_ranges import as_trained


class ClipFeatures(NamedTuple):
    """What is known of a clip, and of its moments."""

    tokens: Tensor  # [B, T', F] one a moment that is left after the strides in time
    fused: Tensor  # [B, F]


class ClipNet(StartsFromPublished):
    """A 2-D network put into three dimensions, on the whole clip; a subclass says which, and how."""

    config: ClipNetConfig
    inflatable = True
    """Whether the 2-D network's weights have a place in it."""

    def __init__(self, config: ClipNetConfig) -> None:
        super().__init__(config)
        flat = self.flat()
        self.backbone = self.in_time(flat)
        self.dropout = nn.Dropout(config.head_dropout)
        self.head = nn.Linear(flat.dim, config.n_classes)

    def flat(self) -> ResNet | InceptionV1:
        """The 2-D network, with fresh weights."""
        raise NotImplementedError

    def in_time(self, flat: nn.Module) -> nn.Module:
        """The 3-D network that is made of it."""
        raise NotImplementedError

    @property
    def added(self) -> list[str]:
        """Names of the 3-D network's tensors that the 2-D one has nothing for."""
        return []

    def load(self, found: Published) -> LoadReport:
        """Put weights of the 3-D network into it, or of the 2-D one, each filter repeated over time."""
        if found.in_time:
            return load_whole(self.backbone, found)
        if not self.inflatable:
            raise GymQAError(
                f"{found.source} is of a network of pictures, and a factorised one has no layers of its kind; "
                "give weights of the same network, or set initial to none"
            )
        flat = self.flat()
        report = load_whole(flat, found)
        report.resized += [name for name, tensor in flat.state_dict().items() if tensor.ndim == 4]
        report.missing = self.added
        self.backbone.load_state_dict(self.in_time(flat).state_dict())
        return report

    def forward_features(self, frames: Tensor) -> ClipFeatures:
        """[B, N, C, S, S] -> features of moments, and their mean."""
        seen = as_trained(frames, self.config.pixels).transpose(1, 2)  # [B, C, N, S, S]
        tokens = self.backbone(seen).mean((3, 4)).transpose(1, 2)  # [B, F, T', h, w] -> [B, T', F]
        return ClipFeatures(tokens, tokens.mean(1))

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]."""
        logits: Tensor = self.head(self.dropout(fused))
        return logits
