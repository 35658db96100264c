"""What every recognizer offers, whatever its family; the losses, the predictions and the encoders need no more."""

from pathlib import Path
from typing import Protocol

from torch import Tensor


class Features(Protocol):
    """What a recognizer knows of a batch of clips before its head."""

    @property
    def tokens(self) -> Tensor:
        """[B, T, F]: what an encoder hands to a language model."""

    @property
    def fused(self) -> Tensor:
        """[B, F]: what `forward_head` takes; a stochastic head is passed several times on one of these."""


class Recognizer(Protocol):
    """Clips [B, N, 3, S, S] in [-1, 1] to logits [B, n_classes]: forward = forward_head(forward_features(…).fused).

    A family is a module, a config dataclass in `recognizers.sizes` (image_size, n_classes, frames, build, saved)
    and a function in `recognizers.backbones.registry` for each of its named sizes. State dicts hold tensors only.
    """

    def forward_features(self, frames: Tensor) -> Features:
        """[B, N, 3, S, S] -> tokens [B, T, F] and the fused feature [B, F]."""

    def forward_head(self, fused: Tensor) -> Tensor:
        """Fused features […, F] -> logits […, n_classes]; dropout, where there is some, is in here."""

    def reset_classifier(self, n_classes: int) -> None:
        """Put a fresh head for another number of classes; the rest stays."""

    def save_pretrained(self, folder: Path) -> None:
        """Write model.safetensors and config.json."""
