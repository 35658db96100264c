"""Objectives by name. No torch here, so that names are listed and checked without waiting for it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gymqa.errors import GymQAError

if TYPE_CHECKING:
    from gymqa.frames.modality import Modality
    from recognizers.backbones.base import ModelConfig


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an objective is.

    Attributes:
        place: "module:Class", imported when a training asks for it.
        what: half a sentence on it, for listings.
        in_warm_up: it looks at unlabelled clips during the warm-up, too; the student does not.
        network: it has a recognizer of its own, which nothing is prepared or held for.
        frames: what the training's frames must show for it, where that is more than the model sees.
    """

    place: str
    what: str
    in_warm_up: bool = False
    network: bool = False
    frames: "Modality | None" = None


_HERE = "recognizers.ssl.objectives"
OBJECTIVES: dict[str, Entry] = {
    "actor_cutmix": Entry(f"{_HERE}.actor_cutmix:ActorCutMix", "actors pasted on other clips' scenes"),
    "appearance": Entry(f"{_HERE}.appearance:Appearance", "what an image network says of the frames"),
    "cmpl": Entry(f"{_HERE}.cmpl:CrossModel", "a narrower network and the student teach each other", network=True),
    "composite": Entry(f"{_HERE}.composite:Composite", "actors before scenes that a selector learns to choose"),
    "ltg": Entry(
        f"{_HERE}.ltg:TemporalGradients", "a network on temporal gradients, aligned with the student", network=True
    ),
    "memdpc": Entry(f"{_HERE}.memdpc:MemDPC", "the blocks of a clip that come next, out of a memory", True),
    "mvpl": Entry(
        f"{_HERE}.mvpl:SharedViews", "temporal gradients and flow as views of the student", frames="rgb+flow"
    ),
    "mvpl_gradients": Entry(f"{_HERE}.mvpl:SharedViews", "MvPL without flow, on frames of rgb"),
    "phases": Entry(f"{_HERE}.phases:Phases", "halves of a clip at half speed"),
    "tclr": Entry(f"{_HERE}.tclr:TCLR", "whole clips and their quarters told from all others", True),
    "timebalance": Entry(
        f"{_HERE}.timebalance:BalancedTeachers", "two self-supervised teachers, weighed by clip", True, True
    ),
}
"""Names as in `Algorithm.objectives`, alphabetic."""


def require_objectives(names: Sequence[str], model: "ModelConfig") -> None:
    """Refuse names that stand for no objective, one that is named twice, or one that the model cannot have.

    Raises:
        GymQAError: it says which, and the closest that there are.
    """
    for name in names:
        if name not in OBJECTIVES:
            near = difflib.get_close_matches(name, OBJECTIVES, n=3, cutoff=0)
            raise GymQAError(f"there is no objective {name!r}; did you mean {', '.join(near)}?")
    if len(set(names)) < len(names):
        raise GymQAError(f"an algorithm's objectives {', '.join(names)} name one twice; name each once")

    for name in names:
        if model.prepared and OBJECTIVES[name].network:
            raise GymQAError(
                f"{name} has a network of its own beside the student, which would learn without the look at the clips "
                f"that an {model.family} begins with; choose another recognizer or another algorithm"
            )


def looks_in_warm_up(names: Sequence[str]) -> bool:
    """Whether one of these objectives looks at unlabelled clips during the warm-up."""
    return any(OBJECTIVES[name].in_warm_up for name in names)


def frames_beyond(names: Sequence[str]) -> "Modality | None":
    """What a training's frames must show for these objectives where that is more than the model sees; else None."""
    return next((frames for name in names if (frames := OBJECTIVES[name].frames)), None)
