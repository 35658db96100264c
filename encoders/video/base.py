"""What a video encoder must offer for its features to be extracted, and what its features offer to be read."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from gymqa.frames.modality import Modality
from gymqa.frames.sampling import Indices


class Normalisation(NamedTuple):
    """Pixels in [0, 1] become (pixel − mean) / std, colour by colour."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


SYMMETRIC = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""To [-1, 1], as gymqa's own models see pixels."""


@runtime_checkable
class VideoEncoder(Protocol):
    """Clips to tokens.

    Attributes:
        name: what it is called in tables.
        dim: width of a token.
        n_tokens: tokens a clip.
        input_size: pixels of a side of what it sees; frames of another size are resized.
        normalisation: of its pixels.
        revision: which weights: a commit of the Hub, or the start of their hash.
    """

    name: str
    dim: int
    n_tokens: int
    input_size: int
    normalisation: Normalisation
    revision: str

    def fingerprint(self) -> dict[str, Any]:
        """What its tokens depend on, as JSON values: kind, a hash of the weights, options."""
        ...

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """Which frames of a clip of `n_frames` it wants, in its own order; `rng` jitters them, None does not."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Tokens of clips whose frames were so chosen: uint8 [B, T, H, W, 3] -> float32 [B, n_tokens, dim]."""
        ...


def modality_of(encoder: VideoEncoder) -> Modality:
    """What frames an encoder sees: those of recognizers say it, all others see colours."""
    modality: Modality = getattr(encoder, "modality", "rgb")
    return modality


class Features(Protocol):
    """Frozen tokens by clip id, as tuning and answering read them; views as `<clip id>@<view>`."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """What the tokens depend on: encoder, weights, size and number of frames, seed; JSON values."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Why clips that were wanted have no tokens, by clip id."""

    def __contains__(self, key: str) -> bool:
        """Whether there are tokens of this clip or view."""

    def keys(self) -> Sequence[str]:
        """Clips and views that there are tokens of."""

    def get(self, keys: Sequence[str]) -> Tensor:
        """Encoder tokens of the keys, [len(keys), N, D]."""
