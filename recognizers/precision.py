"""The precision in which forward passes are computed."""

from contextlib import AbstractContextManager

import torch

from recognizers.config import TrainConfig


def autocast(device: torch.device, config: TrainConfig) -> AbstractContextManager[None]:
    """The precision of forward passes. One context a pass: casts made without gradient must not serve with it."""
    dtype = torch.float16 if config.precision == "fp16" else torch.bfloat16
    context: AbstractContextManager[None] = torch.autocast(device.type, dtype, enabled=config.precision != "no")
    return context
