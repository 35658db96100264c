"""TrainConfig: settings of one training run of a recognizer, and their conversion from epochs to steps."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Literal

from jsonargparse import set_parsing_settings

from gymqa.errors import GymQAError
from gymqa.frames.modality import Modality
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.registry import FAMILIES
from recognizers.backbones.sefar import SeFARConfig
from recognizers.factory import family_named
from recognizers.ssl.algorithms import SEFAR, Algorithm
from recognizers.ssl.augment import AugmentConfig
from recognizers.ssl.objectives.registry import objective_modality, require_objectives, uses_unlabelled_in_warm_up
from recognizers.ssl.perturbation import PERTURBATIONS
from recognizers.training.loop_settings import LoopSettings, steps_of, without_ineffective
from recognizers.weights_io.saved import saved_hash

for _family in FAMILIES:
    family_named(_family)  # jsonargparse finds imported classes by name
set_parsing_settings(import_path_allowlist=["recognizers.backbones"])  # what class_path may name
set_parsing_settings(subclasses_enabled=[ModelConfig])  # --training.model TSNConfig --training.model.segments 5
_CAME_LATER: dict[str, dict[str, Any]] = {
    "model": {"modality": "rgb", "stack": 1, "pixels": "symmetric"},
    "algorithm": {"objectives": (), "pretraining": 0.0, "image_network": "shipped"},
}
"""Settings added later, with the value that older runs used: their checkpoints still resume."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig(LoopSettings):
    """All settings of a training run besides its clips.

    Attributes:
        model: the recognizer's config.
        algorithm: the semi-supervised algorithm.
        augment: strength of the weak and strong augmentations.
        initial: "shipped" for the package's own weights, where the family has some (SeFAR's image ViT); a folder, file,
            or owner/name on the Hub, as the family's `start_from` reads it, for two streams also one each,
            separated by a comma; "none" for training from scratch.
        copy_attention: initialise time attention as a copy of spatial attention (TimeSformer's convention).
        warm_up_steps: first steps, on labelled clips only.
        steps_per_epoch: ξ and the step schedule change once an epoch; 1 lets them change at every step.
        labelled_batch: labelled clips a step, over all processes.
        unlabelled_batch: unlabelled clips a step, over all processes.
        optimizer: SGD with momentum 0.9 (the paper's), or AdamW.
        learning_rate: peak learning rate.
        backbone_rate: factor of the learning rate for loaded tensors.
        schedule: "step" multiplies by 0.1 after 25/30 and 0.01 after 28/30 of the run (the paper's), "cosine" goes
            to 0.
        rate_warm_up_steps: steps of linear learning-rate warm-up.
        clip_norm: largest gradient norm; 0 does not clip.
        ema_decay: decay of the EMA teacher.
        ema_warm_up: ramp the decay up to `ema_decay` (for short runs).
        final: which network is saved as the trained model, the teacher or the student.
        compile: run the backbone with torch.compile.
        validate_every: steps between validations on the val clips, which must be held out of the training clips; the
            best weights become the trained model. 0 never validates and keeps the last weights.
        validate_metric: metric of the best weights: top-1 or mean-class accuracy.
    """

    model: ModelConfig = field(default_factory=SeFARConfig)
    algorithm: Algorithm = SEFAR
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    initial: str = "shipped"
    copy_attention: bool = True
    warm_up_steps: int = 60
    steps_per_epoch: int = 1
    labelled_batch: int = 16
    unlabelled_batch: int = 16
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    backbone_rate: float = 1.0
    schedule: Literal["step", "cosine"] = "cosine"
    rate_warm_up_steps: int = 20
    clip_norm: float = 1.0
    ema_decay: float = 0.99
    ema_warm_up: bool = True
    final: Literal["teacher", "student"] = "teacher"
    compile: bool = False
    validate_every: int = 0
    validate_metric: Literal["top1", "mean_class"] = "top1"

    at_least_one: ClassVar = (*LoopSettings.at_least_one, "labelled_batch", "unlabelled_batch", "steps_per_epoch")
    at_least_zero: ClassVar = (*LoopSettings.at_least_zero, "validate_every")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.warm_up_steps < self.steps:
            raise GymQAError(f"warm_up_steps {self.warm_up_steps} must be fewer than steps {self.steps}")
        self.require_equal_parts(labelled_batch=self.labelled_batch, unlabelled_batch=self.unlabelled_batch)
        require_objectives(self.algorithm.objectives, self.model)
        if self.algorithm.perturbation not in PERTURBATIONS:
            known = ", ".join(PERTURBATIONS)
            raise GymQAError(
                f"there is no temporal perturbation {self.algorithm.perturbation!r}; choose one of {known}"
            )

    @property
    def modality(self) -> Modality:
        """Modality of the training's frames: the model's, or a larger one that an objective needs."""
        return objective_modality(self.algorithm.objectives) or self.model.modality

    @property
    def pretraining_steps(self) -> int:
        """Steps of self-supervised pre-training, in which labels are not used; 0 without."""
        return round(self.algorithm.pretraining * self.steps)

    def loads_unlabelled(self, step: int) -> bool:
        """Whether a step (from 0) loads unlabelled clips: after the warm-up, or earlier for an objective."""
        if self.algorithm.pretraining:
            return step < self.pretraining_steps
        return step >= self.warm_up_steps or uses_unlabelled_in_warm_up(self.algorithm.objectives)

    def uses_pseudo_labels(self, step: int) -> bool:
        """Whether the unlabelled clips of a step (from 0) get pseudo-labels."""
        return step >= self.warm_up_steps and not self.algorithm.pretraining

    @property
    def initial_weights(self) -> str | None:
        """Hash of the initial weights, since the same name may hold others later; None from scratch.

        Raises:
            GymQAError: there are no such weights.
        """
        return None if self.initial == "none" else self.model.start_hash(self.initial)

    @property
    def determines(self) -> dict[str, Any]:
        """The settings that the trained weights depend on; a run may resume with the others changed."""
        kept = without_ineffective(asdict(self))
        for part, were in _CAME_LATER.items():
            kept[part] = {name: value for name, value in kept[part].items() if name not in were or value != were[name]}
        if self.algorithm.image_network != "shipped":
            kept["image_weights"] = saved_hash(self.algorithm.image_network)
        return kept | {"initial_weights": self.initial_weights}


def train_for_epochs(config: TrainConfig, epochs: int, warm_up_epochs: int, labelled: int) -> TrainConfig:
    """Set steps, warm_up_steps and steps_per_epoch for a number of epochs, counting whole batches only.

    Args:
        config: settings; their labelled batch size is used.
        epochs: passes over the labelled clips.
        warm_up_epochs: the first epochs, without unlabelled clips.
        labelled: number of labelled clips.

    Raises:
        GymQAError: no epoch is left after the warm-up.
    """
    if not 0 <= warm_up_epochs < epochs:
        raise GymQAError(f"warm_up_epochs {warm_up_epochs} must be 0 or more, and fewer than epochs {epochs}")
    steps, warm_up, unit = (
        steps_of(passes, labelled, config.labelled_batch, drop_last=True) for passes in (epochs, warm_up_epochs, 1)
    )
    return replace(config, steps=steps, warm_up_steps=warm_up, steps_per_epoch=unit)
