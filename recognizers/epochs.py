"""A training counted in epochs, passes over the labelled clips, as papers do."""

from dataclasses import replace

from gymqa.errors import GymQAError
from recognizers.config import TrainConfig


def in_epochs(config: TrainConfig, epochs: int, warm_up_epochs: int, labelled: int) -> TrainConfig:
    """The settings with steps, warm_up_steps and steps_per_epoch for so many passes; whole batches only.

    Args:
        config: settings, of which the size of a labelled batch counts.
        epochs: passes over the labelled clips.
        warm_up_epochs: the first of them, without unlabelled clips.
        labelled: number of labelled clips.

    Raises:
        GymQAError: no epoch is left after the warm-up.
    """
    if not 0 <= warm_up_epochs < epochs:
        raise GymQAError(f"warm_up_epochs {warm_up_epochs} must be 0 or more, and fewer than epochs {epochs}")
    unit = max(1, labelled // config.labelled_batch)
    return replace(config, steps=epochs * unit, warm_up_steps=warm_up_epochs * unit, steps_per_epoch=unit)
