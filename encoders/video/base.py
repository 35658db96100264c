"""Protocols of video encoders and of their stored tokens (`Features`); normalisation of pixels, pooling of patches."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices


class Normalisation(NamedTuple):
    """Normalisation of pixels in [0, 1]: (pixel − mean) / std per RGB channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


SYMMETRIC = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""To [-1, 1], for gymqa's own models."""


@runtime_checkable
class VideoEncoder(Protocol):
    """A frozen encoder from clips to tokens.

    Attributes:
        name: name in tables.
        dim: width of a token.
        n_tokens: tokens per clip.
        input_size: side of its input in pixels; frames of another size are resized.
        normalisation: of its pixels.
        revision: of the weights: a commit of the Hub, or the beginning of their hash.
    """

    name: str
    dim: int
    n_tokens: int
    input_size: int
    normalisation: Normalisation
    revision: str

    def fingerprint(self) -> dict[str, Any]:
        """Everything its tokens depend on, as JSON values: kind, hash of the weights, options."""
        ...

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """Frame indices sampled from a clip of `n_frames`, in the encoder's order; jittered unless `rng` is None."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Tokens of clips with these frames: uint8 [B, T, H, W, 3] -> float32 [B, n_tokens, dim]."""
        ...


def modality_of(encoder: VideoEncoder) -> Modality:
    """The modality of an encoder: a recognizer's own, RGB for all others."""
    modality: Modality = getattr(encoder, "modality", "rgb")
    return modality


class Features(Protocol):
    """Tokens by clip id, as read by tuning and answering; views as `<clip id>@<view>`."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Everything the tokens depend on: encoder, weights, size and number of frames, seed; JSON values."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Reasons why wanted clips have no tokens, by clip id."""

    def __contains__(self, key: str) -> bool:
        """Whether there are tokens of this clip or view."""

    def keys(self) -> Sequence[str]:
        """Clips and views with tokens."""

    def get(self, keys: Sequence[str]) -> Tensor:
        """Encoder tokens of the keys, [len(keys), N, D]."""


def pool_patches(patches: Tensor, side: int, grid: int) -> Tensor:
    """Average a frame's patches to grid × grid: [B, steps, side · side, D] -> [B, steps, grid · grid, D]."""
    if side == grid:
        return patches
    batch, steps, _, dim = patches.shape
    squares = patches.flatten(0, 1).transpose(1, 2).reshape(batch * steps, dim, side, side)
    pooled = F.adaptive_avg_pool2d(squares, grid)  # [B steps, D, grid, grid]
    return pooled.flatten(2).transpose(1, 2).unflatten(0, (batch, steps))
