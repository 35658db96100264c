"""Encoder `sefar`: any trained recognizer, frozen; tokens: features (SeFAR: elements, pairs, fused), pooled patches.

Any other recognizer serves as well; its tokens are those of its frames or clips.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from encoders.video.base import SYMMETRIC, pool_patches
from encoders.video.registry import EncoderOptions
from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, spans_of_elements
from recognizers.backbones.timesformer import TimeSformer
from recognizers.factory import load_recognizer
from recognizers.ssl.augment import to_model
from recognizers.weights_io.tensors import model_folder, weights_hash


class SeFAREncoder:
    """Tokens s_1 … s_k, p_12 …, g of a recognizer (7 for three elements), whatever algorithm trained it.

    With `grid`, each frame's patches follow, average-pooled to grid × grid tokens, in temporal order. They are the
    space-time transformer's output behind its norm. Features and patches may differ in width: the narrower ones are
    zero-padded.

    Args:
        source: folder of the trained recognizer, or a str owner/name on the Hub; its last component names the encoder.
        device: device it runs on.
        options: only `grid` is supported.

    Raises:
        GymQAError: it holds no recognizer, or one without such patches.
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
        self._patches = PatchHook(self.model, self._grid) if self._grid else None
        shape = self.encode(torch.zeros(1, config.frames, *config.frame_shape, dtype=torch.uint8)).shape
        self.n_tokens, self.dim = shape[1], shape[2]

    def fingerprint(self) -> dict[str, Any]:
        """Kind and hash of the weights; the grid if set."""
        return {
            "encoder": self.model.config.family,
            "weights": self._weights,
            **({"grid": self._grid} if self._grid else {}),
        }

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """The recognizer's frame indices, element after element: [N]."""
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


class PatchHook:
    """Forward hook that keeps the patch tokens of a space-time transformer's last block.

    Args:
        model: a recognizer.
        grid: patches are average-pooled to grid × grid.

    Raises:
        GymQAError: its backbone is not a space-time transformer, or has fewer patches.
    """

    def __init__(self, model: nn.Module, grid: int) -> None:
        backbone = getattr(model, "backbone", None)
        if not isinstance(backbone, TimeSformer):
            raise GymQAError("this recognizer's frames have no patches; leave --grid out")
        self._grid, self._norm, self._last = grid, backbone.norm, torch.empty(0)
        self._side = round((backbone.pos_embed.shape[1] - 1) ** 0.5)
        if grid > self._side:
            raise GymQAError(f"the recognizer has {self._side} × {self._side} patches a frame; grid {grid} is finer")
        backbone.keeps_patches = True
        backbone.blocks[-1].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        self._last = output[1]

    def take(self) -> Tensor:
        """Pooled patches of the last pass, element after element: [B, N, grid · grid, D]."""
        patches: Tensor = self._norm(self._last)
        return pool_patches(patches, self._side, self._grid)
