"""What tells one kind of transformers' vision models from another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from encoders.video.base import Normalisation
from encoders.video.checkpoints import Part
from encoders.video.options import EncoderOptions
from encoders.video.pixels import BICUBIC


class Layout(NamedTuple):
    """What a model makes of a clip.

    Attributes:
        cls: CLS tokens: one a frame, one a clip, or none.
        steps: frames, or tubes of frames, in time.
        side: patches of a frame along a side.
    """

    cls: int
    steps: int
    side: int


Hidden = tuple[Tensor | None, Tensor]
"""CLS tokens [B, cls, D] and patches [B, steps, side · side, D]."""


@dataclass(frozen=True)
class Family:
    """What tells one kind of vision model from another.

    Attributes:
        kind: its name in `encoders.video.registry`.
        called: what it is, for errors, as "a CLIP vision model".
        model: the class in transformers.
        config: the class of its sizes.
        parts: where it is in checkpoints, by config.json's model type.
        blocks: its transformer blocks, in order.
        layout: from its sizes, the number of frames and the patches of a side to its tokens.
        arrange: from its hidden states [·, L, D] to CLS tokens and patches.
        per_frame: it sees [B · T, 3, S, S], a frame at a time, else [B, T, 3, S, S].
        normalisation, resample: where its files name none.
        n_frames: the number of frames it must have; None where any will do.
        defaults: of the options.
        settings: further names of config.json that its class takes.
    """

    kind: str
    called: str
    model: type[PreTrainedModel]
    config: type[PreTrainedConfig]
    parts: Mapping[str, Part]
    blocks: Callable[[Any], nn.ModuleList]
    layout: Callable[[Any, int, int], Layout]
    arrange: Callable[[Tensor, Layout], Hidden]
    normalisation: Normalisation
    defaults: EncoderOptions
    per_frame: Callable[[Any], bool] = lambda config: True
    n_frames: Callable[[Any], int | None] = lambda config: None
    resample: int = BICUBIC
    settings: tuple[str, ...] = ()
