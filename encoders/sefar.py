"""A trained SeFAR recognizer as a frozen encoder: its element, pair and fused features are the tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gymqa.sampling import Indices, dual_level
from recognizers.augment import to_model
from recognizers.backbones.image_vit import weights_hash
from recognizers.sefar import SeFAR


class SeFAREncoder:
    """Tokens s_1 … s_k, p_12 …, g of a recognizer (7 for three elements), whatever algorithm trained it.

    Args:
        folder: of the trained recognizer; its name is the encoder's.
        device: where it runs.

    Raises:
        GymQAError: the folder does not hold a recognizer.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        self.model = SeFAR.from_pretrained(folder).to(device).requires_grad_(False)
        self.name = folder.resolve().name
        self.dim, self.n_tokens = self.model.config.fusion_dim, self.model.config.tokens
        self._device = device
        self._weights = weights_hash(folder)

    def fingerprint(self) -> dict[str, Any]:
        """Kind and a hash of the weights."""
        return {"encoder": "sefar", "weights": self._weights}

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """The dual-level sampling's indices, element after element: [N]."""
        return np.concatenate(dual_level(n_frames, self.model.config.elements, rng))

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """Encode clips: uint8 [B, N, H, W, 3] -> [B, n_tokens, dim]."""
        pixels = to_model(frames.to(self._device), self.model.config.image_size)
        return self.model.forward_features(pixels).tokens.cpu()
