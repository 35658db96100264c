"""LoopSettings: config fields common to the training loops of recognizers and the language model; epochs to steps."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gymqa.errors import GymQAError
from gymqa.runtime.choices import require_choices
from gymqa.runtime.precision import named

WITHOUT_EFFECT = ("checkpoint_every", "log_every", "workers", "tracker")
"""Fields without effect on the weights: a run may resume with others."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Config fields common to all training loops; a subclass sets its own defaults.

    Attributes:
        steps: optimiser steps.
        weight_decay: of the optimizer.
        schedule: learning-rate schedule; a subclass names the choices.
        precision: "auto" is bf16 where the device computes it fast, else float32; "bf16" computes in bfloat16 under
            autocast, "fp16" in float16 with a scaled loss; "no" is an older name of "float32".
        accumulation: gradient accumulation steps, into which a process's batch is split to save memory.
        seed: of all random numbers.
        checkpoint_every: steps between checkpoints.
        log_every: steps between log lines in metrics.jsonl.
        workers: loader threads that prefetch batches; 0 loads each batch in its step.
        tracker: experiment tracker that also receives the metrics.
    """

    steps: int = 400
    weight_decay: float = 0.05
    schedule: str = "cosine"
    precision: Literal["auto", "float32", "bf16", "fp16", "no"] = "auto"
    accumulation: int = 1
    seed: int = 0
    checkpoint_every: int = 100
    log_every: int = 10
    workers: int = 1
    tracker: Literal["tensorboard", "wandb", "none"] = "tensorboard"

    at_least_one: ClassVar[tuple[str, ...]] = ("steps", "accumulation", "checkpoint_every", "log_every")
    """Fields that must be 1 or more."""
    at_least_zero: ClassVar[tuple[str, ...]] = ("seed", "workers")
    """Fields that must be 0 or more."""

    def __post_init__(self) -> None:
        require_choices(self)
        object.__setattr__(self, "precision", named(self.precision))
        for least, names in ((1, self.at_least_one), (0, self.at_least_zero)):
            for name in names:
                if getattr(self, name) < least:
                    raise GymQAError(f"a training's {name} cannot be {getattr(self, name)}; choose {least} or more")

    def require_equal_parts(self, **batches: int) -> None:
        """Refuse batches, by the name of their field, that accumulation cannot cut into equal micro-batches.

        Raises:
            GymQAError: it names the batch.
        """
        for name, size in batches.items():
            if size % self.accumulation:
                raise GymQAError(
                    f"{name} {size} cannot be cut into {self.accumulation} equal parts; change it or accumulation"
                )


def steps_of(epochs: float, clips: int, batch: int, drop_last: bool = False) -> int:
    """Number of optimiser steps of a number of epochs.

    Args:
        epochs: passes over the clips, 0 or more.
        clips: number of clips.
        batch: batch size.
        drop_last: drop the last, smaller batch of each epoch; an epoch has at least 1 step.
    """
    return math.ceil(epochs * max(1, clips // batch)) if drop_last else math.ceil(epochs * clips / batch)


def without_ineffective(values: dict[str, Any]) -> dict[str, Any]:
    """Remove the settings without effect on the weights."""
    return {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}
