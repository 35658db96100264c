"""A trained recognizer as a frozen encoder: a SeFAR's element, pair and fused features are the tokens.

Any other recognizer serves as well: its tokens are those of its frames or moments.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.video.base import SYMMETRIC
from encoders.video.registry import EncoderOptions
from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, spans_of_elements
from recognizers.backbones.timesformer import TimeSformer
from recognizers.factory import load_recognizer
from recognizers.ssl.augment import to_model
from recognizers.weights_io.tensors import model_folder, weights_hash


class SeFAREncoder:
    """Tokens s_1 … s_k, p_12 …, g of a recognizer (7 for three elements), whatever algorithm trained it.

    With `grid`, each frame's patches follow, averaged to grid × grid tokens, frame after frame in temporal order. They
    are the space-time transformer's last ones, behind its norm. Features and patches may differ in width: the narrower
    ones are filled up with zeros.

    Args:
        source: folder of the trained recognizer, or a str owner/name on the Hub; its last name is the encoder's.
        device: where it runs.
        options: only the grid can be set.

    Raises:
        GymQAError: it does not hold a recognizer, or one whose frames have no such patches.
    """

    def __init__(self, source: Path | str, device: str = "cpu", options: EncoderOptions | None = None) -> None:
        folder = model_folder(source)
        self.model = load_recognizer(folder).to(device).requires_grad_(False)
        config = self.model.config
        self.name = (folder.resolve() if Path(source).exists() else Path(source)).name
        self.input_size, self.normalisation, self.modality = config.image_size, SYMMETRIC, config.modality
        self.joints_of = config.skeleton_name
        self._grid = (options or EncoderOptions()).grid or 0
        self._device = device
        self._order = np.argsort(np.concatenate(spans_of_elements(config.elements)))  # elements' frames by time
        self._weights = weights_hash(folder)
        self.revision = self._weights[:12]
        self._patches = PatchTap(self.model, self._grid) if self._grid else None
        shape = self.encode(torch.zeros(1, config.frames, *config.frame_shape, dtype=torch.uint8)).shape
        self.n_tokens, self.dim = shape[1], shape[2]

    def fingerprint(self) -> dict[str, Any]:
        """Kind and a hash of the weights; the grid where there is one."""
        return {
            "encoder": self.model.config.family,
            "weights": self._weights,
            **({"grid": self._grid} if self._grid else {}),
        }

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """As the recognizer samples, element after element: [N]."""
        return self.model.config.sample(n_frames, rng)

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """Encode clips: uint8 [B, N, H, W, C] -> [B, n_tokens, dim]."""
        pixels = to_model(frames.to(self._device), self.input_size)
        tokens: Tensor = self.model.forward_features(pixels).tokens  # [B, k + pairs + 1, F]
        if self._patches is not None:
            patches = self._patches.take()[:, self._order].flatten(1, 2)  # [B, N · grid², D]
            width = max(tokens.shape[-1], patches.shape[-1])
            tokens = torch.cat([F.pad(part, (0, width - part.shape[-1])) for part in (tokens, patches)], 1)
        return tokens.cpu()


def make(source: str, options: EncoderOptions, device: str = "cpu") -> SeFAREncoder:
    """A recognizer of a folder or of the Hub as an encoder."""
    return SeFAREncoder(source, device, options)


class PatchTap:
    """What a space-time transformer's last block says of each frame's patches, as the recognizer is run.

    Args:
        model: a recognizer.
        grid: patches are averaged to grid × grid.

    Raises:
        GymQAError: its backbone is no space-time transformer, or has fewer patches.
    """

    def __init__(self, model: nn.Module, grid: int) -> None:
        backbone = getattr(model, "backbone", None)
        if not isinstance(backbone, TimeSformer):
            raise GymQAError("this recognizer's frames have no patches; leave --grid out")
        self._grid, self._norm, self._seen = grid, backbone.norm, torch.empty(0)
        self._side = round((backbone.pos_embed.shape[1] - 1) ** 0.5)
        if grid > self._side:
            raise GymQAError(f"the recognizer has {self._side} × {self._side} patches a frame; grid {grid} is finer")
        backbone.blocks[-1].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        self._seen = output[1]

    def take(self) -> Tensor:
        """Of the last pass, element after element: [B, N, grid · grid, D]."""
        patches: Tensor = self._norm(self._seen)
        squares = patches.unflatten(2, (self._side, self._side)).movedim(-1, 2)  # [B, N, D, h, w]
        pooled = F.adaptive_avg_pool2d(squares.flatten(0, 1), self._grid)
        return pooled.flatten(2).transpose(1, 2).unflatten(0, patches.shape[:2])
