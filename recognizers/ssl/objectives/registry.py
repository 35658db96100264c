"""Objectives by name. No torch here, so that names are listed and checked without waiting for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gymqa.errors import GymQAError
from gymqa.runtime.registry import Registry

if TYPE_CHECKING:
    from gymqa.frames.modality import Modality
    from recognizers.backbones.base import ModelConfig, Recognizer
    from recognizers.config import TrainConfig
    from recognizers.ssl.objectives.base import Objective


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an objective is.

    Attributes:
        maker: "module:Class", imported when a training asks for it.
        what: half a sentence on it, for listings.
        in_warm_up: it looks at unlabelled clips during the warm-up, too; the student does not.
        has_network: it has a recognizer of its own, which nothing is prepared or held for.
        sees: what the training's frames must show for it, where that is more than the model sees.
    """

    maker: str
    what: str
    in_warm_up: bool = False
    has_network: bool = False
    sees: "Modality | None" = None


class ObjectiveMaker(Protocol):
    """What an objective's name stands for; one of the user's own is a subclass of Objective."""

    def __call__(self, config: "TrainConfig", student: "Recognizer") -> "Objective":
        """The objective, fresh."""


_HERE = "recognizers.ssl.objectives"
_OURS = {
    "actor_cutmix": Entry(f"{_HERE}.actor_cutmix:ActorCutMix", "actors pasted on other clips' scenes"),
    "appearance": Entry(f"{_HERE}.appearance:Appearance", "what an image network says of the frames"),
    "cmpl": Entry(f"{_HERE}.cmpl:CrossModel", "a narrower network and the student teach each other", has_network=True),
    "composite": Entry(f"{_HERE}.composite:Composite", "actors before scenes that a selector learns to choose"),
    "ltg": Entry(
        f"{_HERE}.ltg:TemporalGradients", "a network on temporal gradients, aligned with the student", has_network=True
    ),
    "memdpc": Entry(f"{_HERE}.memdpc:MemDPC", "the blocks of a clip that come next, out of a memory", True),
    "mvpl": Entry(f"{_HERE}.mvpl:SharedViews", "temporal gradients and flow as views of the student", sees="rgb+flow"),
    "mvpl_gradients": Entry(f"{_HERE}.mvpl:SharedViews", "MvPL without flow, on frames of rgb"),
    "phases": Entry(f"{_HERE}.phases:Phases", "halves of a clip at half speed"),
    "tclr": Entry(f"{_HERE}.tclr:TCLR", "whole clips and their quarters told from all others", True),
    "timebalance": Entry(
        f"{_HERE}.timebalance:BalancedTeachers", "two self-supervised teachers, weighed by clip", True, True
    ),
}
OBJECTIVES = Registry("objective", "docs/algorithms.md", _OURS, ObjectiveMaker)
"""Names as in `Algorithm.objectives`, alphabetic."""


def entry_of(name: str) -> Entry:
    """What is to be known of an objective before it is made; a class of the user's own says it by its attributes.

    Raises:
        GymQAError: there is no such objective (the closest ones are named), or the plug-in does not fit.
    """
    if name in OBJECTIVES:
        return OBJECTIVES.entry(name)
    found = OBJECTIVES.load(name)
    in_warm_up, network = (bool(getattr(found, word, False)) for word in ("in_warm_up", "has_network"))
    return Entry(name, "", in_warm_up, network, getattr(found, "sees", None))


def require_objectives(names: Sequence[str], model: "ModelConfig") -> None:
    """Refuse names that stand for no objective, one that is named twice, or one that the model cannot have.

    Raises:
        GymQAError: it says which, and the closest that there are.
    """
    entries = {name: entry_of(name) for name in names}
    if len(set(names)) < len(names):
        raise GymQAError(f"an algorithm's objectives {', '.join(names)} name one twice; name each once")

    for name, entry in entries.items():
        if model.prepared and entry.has_network:
            raise GymQAError(
                f"{name} has a network of its own beside the student, which would learn without the look at the clips "
                f"that an {model.family} begins with; choose another recognizer or another algorithm"
            )


def looks_in_warm_up(names: Sequence[str]) -> bool:
    """Whether one of these objectives looks at unlabelled clips during the warm-up."""
    return any(entry_of(name).in_warm_up for name in names)


def frames_beyond(names: Sequence[str]) -> "Modality | None":
    """What a training's frames must show for these objectives where that is more than the model sees; else None."""
    return next((seen for name in names if (seen := entry_of(name).sees)), None)
