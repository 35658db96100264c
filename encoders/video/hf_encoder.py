"""HFEncoder: a frozen Hugging Face vision model (image or video) as video encoder: CLS and pooled patch tokens."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from encoders.video.base import pool_patches
from encoders.video.checkpoints import read_checkpoint
from encoders.video.pixels import read_preprocessing, square_side
from encoders.video.registry import EncoderOptions
from encoders.video.vision import Family, Layout, load_model, make_config
from gymqa.errors import GymQAError
from gymqa.frames.sampling import Indices, dual_level

FRAMES = 8  # as SeFAR samples
IMAGES = 64  # frames per pass, to bound memory


class HFEncoder:
    """Tokens of a vision model: for each time step its CLS token, if any, then its pooled patches.

    Args:
        family: the kind of model.
        source: a folder that transformers saved, or owner/name@revision on the Hub.
        options: see EncoderOptions; unset ones are the family's defaults.
        device: device it runs on.

    Raises:
        GymQAError: no such model, one of another kind, a damaged one, or invalid options.
    """

    def __init__(self, family: Family, source: str, options: EncoderOptions, device: str = "cpu") -> None:
        found = read_checkpoint(source, family.parts, family.called)
        config = make_config(family, found)
        self._preprocess = read_preprocessing(
            found.preprocessor, config.image_size, family.normalisation, family.resample, source
        )
        self._options = _with_defaults(family, options, config, source)
        self.name = family.kind
        self.input_size, self.normalisation = self._preprocess.size, self._preprocess.normalisation
        self._frames = self._options.n_frames or FRAMES
        side = self.input_size // square_side(config.patch_size, source)
        self._layout = family.layout(config, self._frames, side)
        _check_tokens(self._options, self._layout, source)
        self._grid = self._options.grid or self._layout.side
        self.dim = int(config.hidden_size)
        self.n_tokens = count_tokens(self._options, self._layout)
        self._weights = found.weights_hash()
        self.revision = found.revision or self._weights[:12]
        self._family, self._per_frame, self._device = family, family.per_frame(config), device
        self._dtype = torch.bfloat16 if self._options.precision == "bf16" else torch.float32
        model = load_model(family, config, found)
        self._output: list[Tensor] = []
        self._hook_block(model)
        self.model = model.to(device, self._dtype).eval().requires_grad_(False)

    def fingerprint(self) -> dict[str, Any]:
        """Kind, hash of the weights, pixel preprocessing, and options."""
        pixels = self._preprocess.fingerprint()
        return {"encoder": self._family.kind, "weights": self._weights, "pixels": pixels, **self._options.given()}

    def frame_indices(self, n_frames: int, rng: np.random.Generator | None) -> Indices:
        """One frame in each of T equal spans, in order: [T]."""
        return dual_level(n_frames, (self._frames,), rng)[0]

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """Encode clips: uint8 [B, T, H, W, 3] -> float32 [B, n_tokens, dim]."""
        clips = max(1, IMAGES // self._frames)
        return torch.cat([self._tokens(part) for part in frames.split(clips)]).float().cpu()

    def _tokens(self, frames: Tensor) -> Tensor:
        """Tokens of a few clips: uint8 [b, T, H, W, 3] -> [b, n_tokens, dim]."""
        pixels = self._preprocess(frames, self._device).to(self._dtype)  # [b, T, 3, S, S]
        self._output.clear()
        last = self.model(pixel_values=pixels.flatten(0, 1) if self._per_frame else pixels).last_hidden_state
        hidden = self._output[0] if self._options.layer is not None else last
        cls, patches = self._family.arrange(hidden.unflatten(0, (len(frames), -1)), self._layout)
        return _assemble(cls, pool_patches(patches, self._layout.side, self._grid), self._options.tokens or "both")

    def _hook_block(self, model: PreTrainedModel) -> None:
        """Register a hook on the selected block, and drop the blocks behind it."""
        if self._options.layer is None:
            return
        blocks = self._family.blocks(model)
        depth = self._options.layer if self._options.layer > 0 else len(blocks) + 1 + self._options.layer
        del blocks[depth:]
        blocks[-1].register_forward_hook(lambda module, inputs, output: self._output.append(_first(output)))


def count_tokens(options: EncoderOptions, layout: Layout) -> int:
    """Number of tokens of a clip."""
    cls, patches = (options.tokens in (kind, "both") for kind in ("cls", "patches"))
    return cls * layout.cls + patches * layout.steps * (options.grid or layout.side) ** 2


def _first(output: Any) -> Tensor:
    """A block's hidden states, returned alone or as first element of a tuple."""
    hidden: Tensor = output[0] if isinstance(output, tuple) else output
    return hidden


def _assemble(cls: Tensor | None, patches: Tensor, tokens: str) -> Tensor:
    """Tokens [B, n_tokens, D] in temporal order; a frame's CLS token stands before its patches."""
    if cls is None or tokens == "patches":
        return patches.flatten(1, 2)
    if tokens == "cls":
        return cls
    if cls.shape[1] == patches.shape[1]:
        return torch.cat([cls.unsqueeze(2), patches], 2).flatten(1, 2)
    return torch.cat([cls, patches.flatten(1, 2)], 1)


def _with_defaults(family: Family, options: EncoderOptions, config: Any, source: str) -> EncoderOptions:
    """The options with the family's defaults, checked against the model."""
    merged = EncoderOptions(**{**family.defaults.given(), **options.given()})
    fixed, blocks = family.n_frames(config), int(config.num_hidden_layers)
    if fixed is not None and options.n_frames not in (None, fixed):
        raise GymQAError(f"{source} was made for {fixed} frames, not {options.n_frames}; leave their number out")
    layer = merged.layer
    if layer is not None and (layer == 0 or not -blocks <= layer <= blocks):
        raise GymQAError(f"{source} has {blocks} blocks, hence no layer {layer}; give 1 to {blocks} or -1 to -{blocks}")
    precision = "bf16" if merged.precision == "bf16" else None
    return replace(merged, n_frames=fixed or merged.n_frames or FRAMES, precision=precision)


def _check_tokens(options: EncoderOptions, layout: Layout, source: str) -> None:
    """Validate the selected tokens.

    Raises:
        GymQAError: CLS tokens of a model without, or a grid finer than its patches.
    """
    if not layout.cls and options.tokens != "patches":
        raise GymQAError(f"{source} has no CLS token; ask for patches")
    if (options.grid or 0) > layout.side:
        raise GymQAError(f"{source} has {layout.side} × {layout.side} patches a frame; grid {options.grid} is finer")
