"""How the learning rates rise and fall over a stage of tuning."""

import math
from dataclasses import replace

from encoders.tuning.config import FinetuneSettings
from gymqa.errors import GymQAError


def rate_share(step: int, steps: int, warmup: int, schedule: str, lowest: float) -> float:
    """Share of the peak at a step: a linear warm-up times a fall from 1 to `lowest`.

    Args:
        step: from 0.
        steps: of the stage.
        warmup: its first steps, over which the rate rises.
        schedule: "cosine", "linear" or "constant".
        lowest: what is fallen to.
    """
    fallen = {
        "cosine": (1 + math.cos(math.pi * step / steps)) / 2,
        "linear": 1 - step / steps,
        "constant": 1.0,
    }[schedule]
    return min(1.0, (step + 1) / max(warmup, 1)) * (lowest + (1 - lowest) * fallen)


def in_epochs(
    settings: FinetuneSettings, epochs: float, alignment_epochs: float, warm_up_share: float, clips: int
) -> FinetuneSettings:
    """The settings with steps and warm-up for so many passes over the clips, as papers count.

    Args:
        settings: of which the batch sizes count.
        epochs: passes of the second stage; 0 keeps its steps.
        alignment_epochs: passes of the first stage; 0 keeps its steps.
        warm_up_share: share of the second stage's steps that each stage's warm-up takes; 0 keeps `warmup`.
        clips: labelled and pseudo-labelled ones.

    Raises:
        GymQAError: a negative number of epochs, or a share outside [0, 1).
    """
    if min(epochs, alignment_epochs) < 0 or not 0 <= warm_up_share < 1:
        raise GymQAError("epochs and alignment_epochs must be 0 or more, warm_up_share from 0 to below 1")
    alignment = settings.alignment
    if alignment_epochs:
        alignment = replace(alignment, steps=math.ceil(alignment_epochs * clips / alignment.batch_size))
    steps = math.ceil(epochs * clips / settings.batch_size) if epochs else settings.steps
    warmup = math.ceil(warm_up_share * steps) if warm_up_share else settings.warmup
    return replace(settings, steps=steps, warmup=warmup, alignment=alignment)
