"""Settings of temporal localisation. No torch here."""

from dataclasses import dataclass, field
from typing import Literal

from gymqa.errors import GymQAError
from gymqa.runtime.choices import require_choices

Level = Literal["action", "sub-action"]
LEVELS: tuple[Level, ...] = ("action", "sub-action")
SECONDS: dict[Level, float] = {"action": 0.5, "sub-action": 0.125}  # of a snippet: actions last long, sub-actions 1 s


@dataclass(frozen=True)
class GroupingConfig:
    """Temporal actionness grouping, section 3.1 of the paper on proposals.

    Attributes:
        step: between two thresholds of actionness, and between two of the covered share, both in (0, 1).
        overlap: of two proposals that overlap by more than this (IoU), one is kept.
    """

    step: float = 0.05
    overlap: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.step < 1 or not 0 < self.overlap <= 1:
            raise GymQAError(f"{self}: step lies between 0 and 1, overlap too")


@dataclass(frozen=True)
class SamplingConfig:
    """Which proposals train what (section 4.2; the numbers are those of the released code).

    Attributes:
        foreground: least overlap (IoU) with a true segment of a foreground proposal.
        background: most overlap of a background one.
        incomplete: most overlap of an incomplete one,
        inside: of which at least this share lies in a true segment.
        foregrounds: drawn a group.
        backgrounds: drawn a group.
        incompletes: drawn a group.
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
            raise GymQAError(f"{self}: overlaps go up from background over incomplete to foreground, within 0 and 1")
        if min(self.foregrounds, self.backgrounds, self.incompletes) < 1:
            raise GymQAError(f"{self}: a group has one proposal of each kind at least")


@dataclass(frozen=True)
class LocalizationConfig:
    """How a localizer is made and trained.

    Attributes:
        level: actions in videos, or sub-actions in actions.
        seconds: of a snippet; 0 takes half a second for actions, an eighth for sub-actions.
        hidden: features of a snippet after the one layer that is trained below the pyramid.
        dropout: before the classifiers.
        actionness_steps: of the classifier that the proposals come from.
        steps: of the segment network.
        batch: videos or actions a step.
        learning_rate: of AdamW, falling to 0 in a straight line.
        weight_decay: of AdamW.
        completeness_weight: of the completeness loss, λ₁.
        regression_weight: of the regression loss, λ₂.
        hard: share of the incomplete proposals of a group that count, the hardest ones.
        checkpoint_every: steps.
        seed: of weights, draws and dropout.
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
        """Seconds of a snippet."""
        return self.seconds or SECONDS[self.level]
