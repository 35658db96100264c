"""Views of clips as a training draws them, with what the model sees of them apart from the rest.

A training's frames may show more than its model sees (`TrainConfig.modality`): an objective then gets the flow of the
very view that the student is shown.
"""

from typing import NamedTuple

from torch import Generator, Tensor

from gymqa.frames.modality import channel_slice
from recognizers.config import TrainConfig
from recognizers.ssl.augment import strong_view, weak_view


class View(NamedTuple):
    """One view of some clips.

    Attributes:
        seen: what the model sees of it, [B, N, C, S, S] in [-1, 1]; of skeletons [B, N, J, 3].
        flow: of the same crop, mirror and frames, [B, N, 2, S, S] in [-1, 1]; None where the model sees all there is.
    """

    seen: Tensor
    flow: Tensor | None


def draw_weak(frames: Tensor, config: TrainConfig, rng: Generator) -> View:
    """A weak view of frames, uint8 [B, N, S', S', C] of the training's modality."""
    return _parted(weak_view(frames, config.model.image_size, config.augment, rng, config.modality), config)


def draw_strong(frames: Tensor, config: TrainConfig, perturbation: str, rng: Generator) -> View:
    """A strong view of frames, uint8 [B, N, S', S', C] of the training's modality, whose time is perturbed."""
    model = config.model
    view = strong_view(frames, model.image_size, config.augment, model.elements, perturbation, rng, config.modality)
    return _parted(view, config)


def _parted(view: Tensor, config: TrainConfig) -> View:
    """A view of all channels, parted; one that the model sees all of stays as it is."""
    seen, shown = config.model.modality, config.modality
    if seen == shown:
        return View(view, None)
    return View(view[:, :, channel_slice(seen, shown)].contiguous(), view[:, :, channel_slice("flow", shown)])
