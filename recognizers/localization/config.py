"""Configs of temporal localization: grouping and sampling of proposals, training. Imports no torch."""

from dataclasses import dataclass, field
from typing import Literal

from gymqa.errors import GymQAError
from gymqa.runtime.choices import require_choices

Level = Literal["action", "sub-action"]
LEVELS: tuple[Level, ...] = ("action", "sub-action")
SECONDS: dict[Level, float] = {
    "action": 0.5,
    "sub-action": 0.125,
}  # of a snippet: actions are long, sub-actions about 1 s


@dataclass(frozen=True)
class GroupingConfig:
    """Config of temporal actionness grouping (TAG).

    Attributes:
        step: step of the actionness thresholds and of the coverage thresholds, both in (0, 1).
        overlap: IoU above which one of two proposals is suppressed.
    """

    step: float = 0.05
    overlap: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.step < 1 or not 0 < self.overlap <= 1:
            raise GymQAError(f"{self}: step and overlap must lie between 0 and 1")


@dataclass(frozen=True)
class SamplingConfig:
    """Config of the assignment and sampling of proposals (section 4.2; numbers of the released code).

    Attributes:
        foreground: least IoU of a foreground proposal with a true segment.
        background: largest IoU of a background proposal.
        incomplete: largest IoU of an incomplete proposal.
        inside: least fraction of an incomplete proposal that lies in a true segment.
        foregrounds: foreground proposals in a group.
        backgrounds: background proposals in a group.
        incompletes: incomplete proposals in a group.
    """

    foreground: float = 0.7
    background: float = 0.01
    incomplete: float = 0.3
    inside: float = 0.7
    foregrounds: int = 1
    backgrounds: int = 1
    incompletes: int = 6

    def __post_init__(self) -> None:
        if not 0 <= self.background <= self.incomplete < self.foreground <= 1 or not 0 <= self.inside <= 1:
            raise GymQAError(
                f"{self}: overlaps must rise from background over incomplete to foreground, within 0 and 1"
            )
        if min(self.foregrounds, self.backgrounds, self.incompletes) < 1:
            raise GymQAError(f"{self}: a group has at least one proposal of each kind")


@dataclass(frozen=True)
class LocalizationConfig:
    """Config of a localizer and its training.

    Attributes:
        level: actions in videos, or sub-actions in actions.
        seconds: length of a snippet; 0 takes half a second for actions, an eighth for sub-actions.
        hidden: width of the trained layer below the pyramid.
        dropout: before the classifiers.
        actionness_steps: training steps of the actionness classifier.
        steps: training steps of the segment network.
        batch: videos or actions in a step.
        learning_rate: of AdamW, with linear decay to 0.
        weight_decay: of AdamW.
        completeness_weight: λ₁, weight of the completeness loss.
        regression_weight: λ₂, weight of the regression loss.
        hard: fraction of a group's incomplete proposals that are mined as hard negatives.
        checkpoint_every: steps between checkpoints.
        seed: of weights, sampling and dropout.
        grouping: of snippets to proposals.
        sampling: of proposals.
    """

    level: Level = "action"
    seconds: float = 0.0
    hidden: int = 256
    dropout: float = 0.5
    actionness_steps: int = 300
    steps: int = 1000
    batch: int = 8
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    completeness_weight: float = 0.1
    regression_weight: float = 0.1
    hard: float = 0.17
    checkpoint_every: int = 100
    seed: int = 0
    grouping: GroupingConfig = field(default_factory=GroupingConfig)
    sampling: SamplingConfig = field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        require_choices(self)
        counts = (self.hidden, self.actionness_steps, self.steps, self.batch, self.checkpoint_every)
        if min(counts) < 1 or self.seed < 0 or not 0 <= self.seconds < float("inf"):
            raise GymQAError("hidden, steps, batch and checkpoint_every are at least 1, seed and seconds at least 0")
        if not 0 <= self.dropout < 1 or not 0 < self.hard <= 1 or self.learning_rate <= 0:
            raise GymQAError("dropout lies in [0, 1), hard in (0, 1], and learning_rate is above 0")

    @property
    def snippet(self) -> float:
        """Length of a snippet in seconds."""
        return self.seconds or SECONDS[self.level]
