"""Encoder `image`: gymqa's own small image ViT, frame by frame, as baseline without temporal modelling.

A file of its own, since all other image encoders are models of transformers.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoders.video.base import SYMMETRIC
from encoders.video.registry import EncoderOptions
from gymqa.frames.sampling import Indices, dual_level
from recognizers.backbones.image.vit import SHIPPED, load_image_vit
from recognizers.ssl.augment import to_model
from recognizers.weights_io.tensors import weights_hash

FRAMES = 8  # as SeFAR samples


class ImageEncoder:
    """One token per frame, from 8 evenly spread frames: CLS token concatenated with the mean of the patch tokens.

    Args:
        folder: of an ImageViT; None takes the one shipped with the package.
        device: device it runs on.

    Raises:
        GymQAError: the folder does not hold an ImageViT.
    """

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        self.model = load_image_vit(folder).to(device).requires_grad_(False)
        self.name = "image"
        self.dim, self.n_tokens = 2 * self.model.config.dim, FRAMES
        self._device = device
        self.input_size, self.normalisation = self.model.config.image_size, SYMMETRIC
        self._weights = weights_hash(SHIPPED if folder is None else folder)
        self.revision = self._weights[:12]

    def fingerprint(self) -> dict[str, Any]:
        """Kind and a hash of the weights."""
        return {"encoder": "image", "weights": self._weights}

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """One frame in each of 8 equal spans, in order: [8]."""
        return dual_level(n_frames, (FRAMES,), rng)[0]

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """Encode clips: uint8 [B, 8, H, W, 3] -> [B, 8, 2 D]."""
        pixels = to_model(frames.to(self._device), self.model.config.image_size)
        tokens = self.model(pixels.flatten(0, 1))  # [B · 8, 1 + P, D]
        both = torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], -1)
        return both.unflatten(0, frames.shape[:2]).cpu()


def make(source: str, options: EncoderOptions, device: str = "cpu") -> ImageEncoder:
    """The image ViT of a folder, or "shipped", the package's own."""
    return ImageEncoder(None if source == "shipped" else Path(source), device)
