"""Draw weak and strong views of a batch; split channels into model input and flow (own file: needs TrainConfig).

A training's frames may have more channels than its model (`TrainConfig.modality`): an objective then gets the flow of
the student's view.
"""

from typing import NamedTuple

from torch import Generator, Tensor

from gymqa.frames.modality import channel_slice
from recognizers.config import TrainConfig
from recognizers.ssl.augment import strong_view, weak_view


class View(NamedTuple):
    """One view of some clips.

    Attributes:
        seen: the model's input, [B, N, C, S, S] in [-1, 1]; skeletons are [B, N, J, 3].
        flow: of the same crop, mirror and frames, [B, N, 2, S, S] in [-1, 1]; None where the frames have no further
            modality than the model.
    """

    seen: Tensor
    flow: Tensor | None


def draw_weak(frames: Tensor, config: TrainConfig, rng: Generator) -> View:
    """A weak view of frames, uint8 [B, N, S', S', C] of the training's modality."""
    return _split_modalities(weak_view(frames, config.model.image_size, config.augment, rng, config.modality), config)


def draw_strong(frames: Tensor, config: TrainConfig, perturbation: str, rng: Generator) -> View:
    """A strong view of frames, uint8 [B, N, S', S', C] of the training's modality, with a temporal perturbation."""
    model = config.model
    view = strong_view(frames, model.image_size, config.augment, model.elements, perturbation, rng, config.modality)
    return _split_modalities(view, config)


def _split_modalities(view: Tensor, config: TrainConfig) -> View:
    """Split a view of all channels into the model's input and flow."""
    own, loaded = config.model.modality, config.modality
    if own == loaded:
        return View(view, None)
    return View(view[:, :, channel_slice(own, loaded)].contiguous(), view[:, :, channel_slice("flow", loaded)])
