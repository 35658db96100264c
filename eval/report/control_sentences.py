"""Sentences for the page that interpret a model's accuracy loss under each control condition (own file: text only)."""

from collections.abc import Sequence
from dataclasses import dataclass

from eval.stats.bootstrap import Interval

CLEAR = 0.05  # upper limit of a loss that is called none

# Control -> (condition, meaning of a loss, meaning of no loss), in the order of the page.
_MEANING = {
    "no-video": ("without any video", "it needs the clip", "it answers from the text alone"),
    "mismatched": ("when it is shown another clip", "it looks at the clip", "it does not look at the clip"),
    "one-frame": ("when it sees one frame only", "it needs more than one frame", "a single frame tells it as much"),
    "frozen": ("when the middle frame is frozen", "it needs the movement", "it is not watching the movement"),
    "shuffled": ("when the frames are shuffled", "it uses their order", "it is not watching the movement"),
    "reversed": ("when the clip runs backwards", "it sees which way the movement goes",
                 "it does not see which way the movement goes"),
    "none-of-these": ('when "none of these" stands for the right choice', "it takes a choice that is wrong",
                      "it knows when no other choice is right"),
    "letters-alone": ("when it sees the letters alone", "it needs question and choices",
                      "it answers without question and choices"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drop:
    """Accuracy under a control, and the loss against untouched clips with its interval."""

    control: str
    value: float
    loss: Interval

    @property
    def order(self) -> int:
        """Index among the controls of the page."""
        return list(_MEANING).index(self.control) if self.control in _MEANING else len(_MEANING)


def sentences(label: str, drops: Sequence[Drop], at_chance: bool) -> list[tuple[bool, str]]:
    """A sentence per control, with whether the loss is significant.

    Args:
        label: name of the model.
        drops: its accuracy under each control.
        at_chance: whether it may be at chance on untouched clips, where controls show nothing.
    """
    if at_chance:
        return [(False, f"{label} is not surely above chance on untouched clips, so its controls show nothing.")]
    return [(drop.loss.low > 0, _sentence(label, drop)) for drop in drops]


def _sentence(label: str, drop: Drop) -> str:
    when, falls, stays = _MEANING.get(
        drop.control, (f"under {drop.control}", "it needs what was taken away", "it does not need what was taken away")
    )
    loss = drop.loss
    points = f"{100 * loss.value:.1f} points ({100 * loss.low:.1f} to {100 * loss.high:.1f})"
    if loss.low > 0:
        return f"{label} loses {points} {when}: {falls}."
    if loss.high > CLEAR:
        return f"{label} loses {points} {when}: too few questions to tell."
    return f"{label} does not fall {when}, {points}: {stays}."
