"""Settings that every training loop has: a recognizer's and the language model's."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from gymqa.errors import GymQAError
from gymqa.runtime.choices import require_choices

WITHOUT_EFFECT = ("checkpoint_every", "log_every", "workers", "tracker")
"""Fields that change no weight: a run goes on with others of them."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """Common to all training loops; a subclass sets defaults of its own.

    Attributes:
        steps: optimiser steps.
        weight_decay: of the optimiser.
        schedule: how the learning rate falls; a subclass names the ways.
        precision: "bf16" computes in bfloat16 under autocast, "fp16" in float16 with a scaled loss, "no" in float32.
        accumulation: micro-batches that a process's part of a step is computed in, to save memory.
        seed: of everything that is drawn.
        checkpoint_every: steps between checkpoints.
        log_every: steps between lines of metrics.jsonl.
        workers: threads that make batches ahead of their step; 0 makes each in its step.
        tracker: who gets the metrics besides metrics.jsonl.
    """

    steps: int = 400
    weight_decay: float = 0.05
    schedule: str = "cosine"
    precision: Literal["no", "bf16", "fp16"] = "no"
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
    """Optimiser steps of so many passes over the clips.

    Args:
        epochs: passes, 0 or more.
        clips: of which each pass sees all, or all but a last batch that is not whole.
        batch: clips a step.
        drop_last: leave out the last batch of each pass where it is not whole; a pass has 1 step at least.
    """
    return math.ceil(epochs * max(1, clips // batch)) if drop_last else math.ceil(epochs * clips / batch)


def without_ineffective(values: dict[str, Any]) -> dict[str, Any]:
    """A loop's settings as a dictionary, without those that change no weight."""
    return {name: value for name, value in values.items() if name not in WITHOUT_EFFECT}
