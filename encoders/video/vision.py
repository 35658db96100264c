"""Hugging Face vision models by family: config and strict loading from a checkpoint, layout of their tokens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import logging

from encoders.video.base import Normalisation
from encoders.video.checkpoints import Checkpoint, Part
from encoders.video.pixels import BICUBIC
from encoders.video.registry import EncoderOptions
from gymqa.errors import GymQAError
from gymqa.hub.foreign_models import reading_foreign

SHOWN = 3  # tensor names listed in an error, of each kind
IGNORED = ("position_ids",)  # buffers saved by older versions of transformers


Hidden = tuple[Tensor | None, Tensor]
"""CLS tokens [B, cls, D] and patches [B, steps, side · side, D]."""


class Layout(NamedTuple):
    """Token layout of a clip.

    Attributes:
        cls: CLS tokens: one per frame, one per clip, or none.
        steps: time steps: frames, or tubes of frames.
        side: patches along a side of a frame.
    """

    cls: int
    steps: int
    side: int


@dataclass(frozen=True)
class Family:
    """A family of vision models.

    Attributes:
        kind: its name in `encoders.video.registry`.
        called: description for errors, as "a CLIP vision model".
        model: the class in transformers.
        config: its configuration class.
        parts: its location in checkpoints, by config.json's model type.
        blocks: its transformer blocks, in order.
        layout: from configuration, number of frames and patches per side to the token layout.
        arrange: from its hidden states [·, L, D] to CLS tokens and patches.
        per_frame: it takes [B · T, 3, S, S], a frame at a time, else [B, T, 3, S, S].
        normalisation, resample: where its files have none.
        n_frames: a fixed number of frames; None for any.
        defaults: default options.
        settings: further fields of config.json that its class takes.
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
    """The model's configuration, restricted to declared fields, so that a file cannot enable anything else.

    Raises:
        GymQAError: an invalid value.
    """
    known = {*family.config.__annotations__, *family.settings}
    with reading_foreign(
        lambda error: GymQAError(f"{found.source}: config.json is not that of {family.called} ({_line(error)})")
    ):
        return family.config(**{name: value for name, value in found.config.items() if name in known})


def load_model(family: Family, config: Any, found: Checkpoint) -> PreTrainedModel:
    """The model with exactly the checkpoint's weights, in float32.

    Raises:
        GymQAError: tensors are missing, unexpected, or of another shape.
    """
    tensors = {name: tensor for name, tensor in found.tensors.items() if not name.endswith(IGNORED)}
    refusal = partial(_refusal, family, found.source)
    with _quiet(), reading_foreign(refusal):
        with torch.device("meta"):  # a configuration of more than the files hold allocates nothing
            described = family.model(config).num_parameters()
        if described > 2 * sum(tensor.numel() for tensor in tensors.values()):
            raise refusal(ValueError(f"its config.json describes {described:,} parameters, its files hold fewer"))
        model, report = family.model.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            dtype=torch.float32,
        )
    require_exact(report, found.source)
    loaded: PreTrainedModel = model
    return loaded


def _refusal(family: Family, source: str, error: Exception) -> GymQAError:
    return GymQAError(f"{source} does not hold {family.called} ({_line(error)}); copy or download the model again")


def require_exact(report: dict[str, Any], source: str) -> None:
    """Check transformers' loading report.

    Raises:
        GymQAError: tensors are missing, unexpected, or of another shape; the first are named.
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
    """Silence transformers' warnings, which our own error repeats, and its progress bar."""
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
