"""From a checkpoint's files to a model of transformers with every tensor in its place."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from encoders.video.base import Normalisation
from encoders.video.checkpoints import Checkpoint, Part
from encoders.video.pixels import BICUBIC
from encoders.video.registry import EncoderOptions
from gymqa.errors import GymQAError

SHOWN = 3  # names that a complaint lists of each kind
IGNORED = ("position_ids",)  # buffers that older versions of transformers saved


Hidden = tuple[Tensor | None, Tensor]
"""CLS tokens [B, cls, D] and patches [B, steps, side · side, D]."""


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


def make_config(family: Family, found: Checkpoint) -> Any:
    """The model's sizes; names that its class does not declare are left out, so that a file cannot switch on more.

    Raises:
        GymQAError: a size that is none.
    """
    known = {*family.config.__annotations__, *family.settings}
    try:
        config = family.config(**{name: value for name, value in found.config.items() if name in known})
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise GymQAError(f"{found.source}: config.json is not that of {family.called} ({_line(error)})") from error
    return config


def load_model(family: Family, config: Any, found: Checkpoint) -> PreTrainedModel:
    """The model with the checkpoint's weights in float32, every tensor in its place.

    Raises:
        GymQAError: tensors are missing, left over, or of another shape.
    """
    tensors = {name: tensor for name, tensor in found.tensors.items() if not name.endswith(IGNORED)}
    with _quiet():
        try:
            model, report = family.model.from_pretrained(
                None,
                config=config,
                state_dict=tensors,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
            )
        except (RuntimeError, ValueError, TypeError) as error:
            raise GymQAError(f"{found.source} does not hold {family.called} ({_line(error)})") from error
    require_exact(report, found.source)
    loaded: PreTrainedModel = model
    return loaded


def require_exact(report: dict[str, Any], source: str) -> None:
    """Refuse a model that did not take exactly its checkpoint's tensors.

    Raises:
        GymQAError: some are missing, left over, or of another shape; the first are named.
    """
    found = {
        "not there": set(report["missing_keys"]),
        "left over": set(report["unexpected_keys"]),
        "of another shape": {str(entry[0]) for entry in report["mismatched_keys"]},
    }
    wrong = [f"{what}: {', '.join(sorted(names)[:SHOWN])}" for what, names in found.items() if names]
    if wrong:
        raise GymQAError(f"{source} holds other weights than its config.json says; {'; '.join(wrong)}")


def _line(error: Exception) -> str:
    """An error's text on one line."""
    return " ".join(str(error).split())[:200]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing what our own error says, and a bar for a second's work."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
