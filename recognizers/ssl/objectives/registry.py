"""Registry of objectives: name -> class, description, required modality. Imports no torch."""

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
    """A registered objective.

    Attributes:
        import_path: "module:Class", imported when a training uses it.
        what: description for listings.
        in_warm_up: whether it uses unlabelled clips during the warm-up, too; the student does not.
        network: whether it has a recognizer of its own, to which `prepare` and `frozen_parameters` do not apply.
        frames: modality of the training's frames that it needs, where that is more than the model's.
    """

    import_path: str
    what: str
    in_warm_up: bool = False
    network: bool = False
    frames: "Modality | None" = None


_HERE = "recognizers.ssl.objectives"
OBJECTIVES: dict[str, Entry] = {
    "actor_cutmix": Entry(f"{_HERE}.actor_cutmix:ActorCutMix", "actors pasted on other clips' scenes"),
    "appearance": Entry(f"{_HERE}.appearance:Appearance", "distillation of an image network's frame predictions"),
    "cmpl": Entry(
        f"{_HERE}.cmpl:CrossModel", "mutual pseudo-labels of the student and a narrower network", network=True
    ),
    "composite": Entry(f"{_HERE}.composite:Composite", "actors on scenes picked by a learned selector"),
    "ltg": Entry(
        f"{_HERE}.ltg:TemporalGradients", "a network on temporal gradients, aligned with the student", network=True
    ),
    "memdpc": Entry(f"{_HERE}.memdpc:MemDPC", "prediction of a clip's next blocks with a memory", True),
    "mvpl": Entry(
        f"{_HERE}.mvpl:SharedViews", "temporal gradients and flow as views of the student", frames="rgb+flow"
    ),
    "mvpl_gradients": Entry(f"{_HERE}.mvpl:SharedViews", "MvPL without flow, on frames of rgb"),
    "phases": Entry(f"{_HERE}.phases:Phases", "consistency of a clip's halves at half speed"),
    "tclr": Entry(f"{_HERE}.tclr:TCLR", "contrastive learning of clips and their quarters", True),
    "timebalance": Entry(
        f"{_HERE}.timebalance:BalancedTeachers", "two self-supervised teachers, weighted for each clip", True, True
    ),
}
"""Names as in `Algorithm.objectives`, alphabetic."""


def require_objectives(names: Sequence[str], model: "ModelConfig") -> None:
    """Refuse unknown or repeated objectives, and those that the model does not support.

    Raises:
        GymQAError: names the objective, and the closest known ones.
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
                f"{name} has a network of its own, which would miss {model.family}'s data-dependent initialisation; "
                "choose another recognizer or another algorithm"
            )


def uses_unlabelled_in_warm_up(names: Sequence[str]) -> bool:
    """Whether one of these objectives uses unlabelled clips during the warm-up."""
    return any(OBJECTIVES[name].in_warm_up for name in names)


def objective_modality(names: Sequence[str]) -> "Modality | None":
    """Modality of the frames that these objectives need beyond the model's; None if none does."""
    return next((frames for name in names if (frames := OBJECTIVES[name].frames)), None)
