"""Encoders of snippet features: frozen image ViT or recognizer, run over a video at a fixed frame rate."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.frames.video import CHUNK, Frames
from gymqa.frames.video_stream import frames_at
from recognizers.backbones.image.vit import SHIPPED, load_image_vit
from recognizers.factory import load_recognizer
from recognizers.ssl.augment import to_model
from recognizers.weights_io.tensors import model_folder, weights_hash


class SnippetEncoder(Protocol):
    """Protocol of frozen networks that encode a frame with its temporal neighbours.

    Attributes:
        dim: D, width of a frame's feature.
        size: side of the input frames in pixels.
        before: neighbours before a frame.
        after: neighbours after a frame.
    """

    dim: int
    size: int
    before: int
    after: int

    def fingerprint(self) -> dict[str, Any]:
        """JSON values that identify the encoder."""

    def encode(self, frames: Tensor) -> Tensor:
        """uint8 [before + n + after, S, S, 3] -> float32 [n, D] on the CPU."""


class FrameEncoder:
    """Image ViT features of a frame and its difference to the previous frame.

    The CLS token, the mean of the patch tokens, and the mean absolute difference of the patch tokens to those of the
    previous frame (absolute, so that motion does not cancel out over the frame).

    Args:
        folder: of an ImageViT; None takes the one shipped with the package.
        device: where it runs.

    Raises:
        GymQAError: the folder does not hold an ImageViT.
    """

    before, after = 1, 0

    def __init__(self, folder: Path | None = None, device: str = "cpu") -> None:
        self._model = load_image_vit(folder).to(device).requires_grad_(False)
        self.dim, self.size = 3 * self._model.config.dim, self._model.config.image_size
        self._device, self._weights = device, weights_hash(SHIPPED if folder is None else folder)

    def fingerprint(self) -> dict[str, Any]:
        """Type of the encoder and a hash of the weights."""
        return {"encoder": "image", "weights": self._weights}

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """uint8 [1 + n, S, S, 3] -> [n, 3 D]."""
        tokens = self._model(to_model(frames.to(self._device)[None], self.size)[0])  # [1 + n, 1 + P, D]
        patches = tokens[:, 1:]
        motion = (patches[1:] - patches[:-1]).abs().mean(1)
        return torch.cat([tokens[1:, 0], patches[1:].mean(1), motion], 1).float().cpu()


class ClipEncoder:
    """A trained recognizer's fused feature of the frames around each frame, over its temporal extent.

    Args:
        source: folder of `gymqa train`.
        device: where it runs.

    Raises:
        GymQAError: the folder holds no recognizer, or one of another modality than rgb.
    """

    def __init__(self, source: Path, device: str = "cpu") -> None:
        self._model = load_recognizer(source).to(device).requires_grad_(False)
        config = self._model.config
        if config.modality != "rgb":
            raise GymQAError(f"{source} takes {config.modality}, but raw videos are rgb; give a recognizer of rgb")
        self.size, self.before = config.image_size, config.temporal_extent // 2
        self.after = config.temporal_extent - 1 - self.before
        self._device, self._weights = device, weights_hash(model_folder(source))
        self._order = torch.from_numpy(config.sample(config.temporal_extent))  # [N], element after element
        self.dim = self._model.head.in_features

    def fingerprint(self) -> dict[str, Any]:
        """Type of the encoder, a hash of the weights and, for strided sampling, the temporal extent."""
        over = self.before + 1 + self.after
        return {"encoder": "recognizer", "weights": self._weights} | ({"over": over} if over > len(self._order) else {})

    @torch.inference_mode()
    def encode(self, frames: Tensor) -> Tensor:
        """uint8 [W − 1 + n, S, S, 3] -> [n, F], from sliding windows of W frames."""
        windows = frames.unfold(0, self.before + 1 + self.after, 1).movedim(-1, 1)  # [n, W, S, S, 3]
        clips = to_model(windows[:, self._order].to(self._device), self.size)
        return self._model.forward_features(clips).fused.float().cpu()


def snippet_encoder(recognizer: Path | None, device: str = "cpu") -> SnippetEncoder:
    """The encoder of a trained recognizer, or of the shipped image ViT."""
    return FrameEncoder(device=device) if recognizer is None else ClipEncoder(recognizer, device)


def video_features(path: Path, encoder: SnippetEncoder, fps: float) -> Tensor:
    """Features of a video: float16 [T, D], row k of the frame at second (k + ½) / fps.

    Raises:
        VideoError: the video does not decode to its end.
    """
    batches = with_neighbours(frames_at(path, fps, encoder.size), encoder.before, encoder.after)
    return torch.cat([encoder.encode(torch.from_numpy(frames)).half() for frames in batches])


def with_neighbours(chunks: Iterator[Frames], before: int, after: int, most: int = CHUNK) -> Iterator[Frames]:
    """Regroup chunks of frames so that each has its temporal neighbours; the outermost frames are repeated.

    Args:
        chunks: [n, S, S, 3], of one video, in order; at least one.
        before: neighbours before the first frame of a chunk.
        after: neighbours after its last.
        most: most frames of a chunk, without neighbours.
    """
    first = next(chunks)
    waiting = np.concatenate([np.repeat(first[:1], before, axis=0), first])
    for chunk in chunks:
        waiting = np.concatenate([waiting, chunk])
        while len(waiting) >= before + most + after:
            yield waiting[: before + most + after]
            waiting = waiting[most:]
    waiting = np.concatenate([waiting, np.repeat(waiting[-1:], after, axis=0)])
    for start in range(0, len(waiting) - before - after, most):
        yield waiting[start : start + before + most + after]
