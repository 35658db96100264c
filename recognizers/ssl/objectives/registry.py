"""Registry of objectives: name -> class, description, required modality. Imports no torch."""

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
    """A registered objective.

    Attributes:
        maker: "module:Class", imported when a training uses it.
        what: description for listings.
        in_warm_up: whether it uses unlabelled clips during the warm-up, too; the student does not.
        has_network: whether it has a recognizer of its own, to which `prepare` and `frozen_parameters` do not apply.
        sees: modality of the training's frames that it needs, where that is more than the model's.
    """

    maker: str
    what: str
    in_warm_up: bool = False
    has_network: bool = False
    sees: "Modality | None" = None


class ObjectiveMaker(Protocol):
    """Signature of an objective's class; the user's own is a subclass of Objective."""

    def __call__(self, config: "TrainConfig", student: "Recognizer") -> "Objective":
        """Make the objective with fresh weights."""


_HERE = "recognizers.ssl.objectives"
_OURS = {
    "actor_cutmix": Entry(f"{_HERE}.actor_cutmix:ActorCutMix", "actors pasted on other clips' scenes"),
    "appearance": Entry(f"{_HERE}.appearance:Appearance", "distillation of an image network's frame predictions"),
    "cmpl": Entry(
        f"{_HERE}.cmpl:CrossModel", "mutual pseudo-labels of the student and a narrower network", has_network=True
    ),
    "composite": Entry(f"{_HERE}.composite:Composite", "actors on scenes picked by a learned selector"),
    "ltg": Entry(
        f"{_HERE}.ltg:TemporalGradients", "a network on temporal gradients, aligned with the student", has_network=True
    ),
    "memdpc": Entry(f"{_HERE}.memdpc:MemDPC", "prediction of a clip's next blocks with a memory", True),
    "mvpl": Entry(f"{_HERE}.mvpl:SharedViews", "temporal gradients and flow as views of the student", sees="rgb+flow"),
    "mvpl_gradients": Entry(f"{_HERE}.mvpl:SharedViews", "MvPL without flow, on frames of rgb"),
    "phases": Entry(f"{_HERE}.phases:Phases", "consistency of a clip's halves at half speed"),
    "tclr": Entry(f"{_HERE}.tclr:TCLR", "contrastive learning of clips and their quarters", True),
    "timebalance": Entry(
        f"{_HERE}.timebalance:BalancedTeachers", "two self-supervised teachers, weighted for each clip", True, True
    ),
}
OBJECTIVES = Registry("objective", "docs/algorithms.md", _OURS, ObjectiveMaker)
"""Names as in `Algorithm.objectives`, alphabetic."""


def entry_of(name: str) -> Entry:
    """The registry entry of an objective; that of a user's own class is read from its class attributes.

    Raises:
        GymQAError: there is no such objective (the closest ones are named), or the plug-in does not fit.
    """
    if name in OBJECTIVES:
        return OBJECTIVES.entry(name)
    found = OBJECTIVES.load(name)
    in_warm_up, network = (bool(getattr(found, word, False)) for word in ("in_warm_up", "has_network"))
    return Entry(name, "", in_warm_up, network, getattr(found, "sees", None))


def require_objectives(names: Sequence[str], model: "ModelConfig") -> None:
    """Refuse unknown or repeated objectives, and those that the model does not support.

    Raises:
        GymQAError: names the objective, and the closest known ones.
    """
    entries = {name: entry_of(name) for name in names}
    if len(set(names)) < len(names):
        raise GymQAError(f"an algorithm's objectives {', '.join(names)} name one twice; name each once")
    for name, entry in entries.items():
        if model.prepared and entry.has_network:
            raise GymQAError(
                f"{name} has a network of its own, which would miss {model.family}'s data-dependent initialisation; "
                "choose another recognizer or another algorithm"
            )


def uses_unlabelled_in_warm_up(names: Sequence[str]) -> bool:
    """Whether one of these objectives uses unlabelled clips during the warm-up."""
    return any(entry_of(name).in_warm_up for name in names)


def objective_modality(names: Sequence[str]) -> "Modality | None":
    """Modality of the frames that these objectives need beyond the model's; None if none does."""
    return next((sees for name in names if (sees := entry_of(name).sees)), None)
