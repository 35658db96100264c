"""What a video encoder must offer for its frozen features to be extracted."""

from typing import Any, Protocol

import numpy as np
from torch import Tensor

from gymqa.sampling import Indices


class VideoEncoder(Protocol):
    """Clips to tokens.

    Attributes:
        name: what it is called in tables.
        dim: width of a token.
        n_tokens: tokens a clip.
    """

    name: str
    dim: int
    n_tokens: int

    def fingerprint(self) -> dict[str, Any]:
        """What its tokens depend on, as JSON values: kind, sizes, a hash of the weights."""
        ...

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """Which frames of a clip of `n_frames` it wants, in its own order; `rng` jitters them, None does not."""
        ...

    def encode(self, frames: Tensor) -> Tensor:
        """Tokens of clips whose frames were so chosen: uint8 [B, T, H, W, 3] -> float32 [B, n_tokens, dim]."""
        ...
