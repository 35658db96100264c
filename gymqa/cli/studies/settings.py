"""Settings of all studies: release, small recognizers, training defaults; labels at element, set or event level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import EVENTS, Taxonomy
from gymqa.frames.modality import Modality
from gymqa.runtime.runs import resolved
from gymqa.sim.release import FORMAT, ReleaseConfig
from recognizers.backbones.base import ModelConfig
from recognizers.backbones.stgcn import STGCNConfig
from recognizers.backbones.trn import TRNConfig
from recognizers.backbones.tsm import TSMConfig
from recognizers.backbones.tsn import TSNConfig
from recognizers.config import TrainConfig, train_for_epochs
from recognizers.factory import model_config
from recognizers.ssl.algorithms import algorithm_named
from recognizers.ssl.augment import AugmentConfig

Level = Literal["element", "set", "event"]
LEVELS: tuple[Level, ...] = ("event", "set", "element")  # from coarse to fine
RENDERED = ReleaseConfig(train_videos=40, val_videos=20, raw_videos=0, size=64, seed=3)
TRAINING = TrainConfig(
    algorithm=algorithm_named("supervised"),
    augment=AugmentConfig(crop_area=(0.7, 1.0)),
    initial="none",
    steps=1000,
    warm_up_steps=0,
    labelled_batch=16,
    learning_rate=1e-3,
    log_every=25,
    tracker="none",
)
SMALL: dict[str, ModelConfig] = {
    "tsn": TSNConfig(architecture="resnet18", width=16, head_dropout=0.2),
    "trn": TRNConfig(architecture="resnet18", width=16, frame_dropout=0.2, head_dropout=0.2),
    "trn-ms": TRNConfig(architecture="resnet18", width=16, frame_dropout=0.2, head_dropout=0.2, multi_scale=True),
    "tsm": TSMConfig(architecture="resnet18", width=16, head_dropout=0.2),
}
"""ResNet-18 with a quarter of its channels, 48 pixels: trained from scratch in a minute or two of one core."""
SMALL_SKELETON = "st-gcn"
_SKELETONS: dict[str, ModelConfig] = {
    SMALL_SKELETON: STGCNConfig(n_frames=16, width=16, skeleton="gymsim15", dropout=0.2, head_dropout=0.2)
}
FIRST_FRAMES = 32


@dataclass(frozen=True)
class StudySettings:
    """Settings shared by all studies.

    Attributes:
        root: folder of a release in FineGym's format; None renders a GymSim release.
        setting: setting of the release; None if it has only one.
        seeds: seeds, one training each.
        epochs: passes over the training clips, instead of training.steps; 0 uses training.steps.
        max_frames: frames kept of a longer clip, evenly spaced.
        training: training settings; model and seed are set by the study.
        rendered: settings of the GymSim release that is rendered without a root.
    """

    root: Path | None = None
    setting: str | None = None
    seeds: tuple[int, ...] = (0, 1)
    epochs: int = 0
    max_frames: int = FIRST_FRAMES
    training: TrainConfig = field(default_factory=lambda: TRAINING)
    rendered: ReleaseConfig = field(default_factory=lambda: RENDERED)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise GymQAError(f"the seeds {list(self.seeds)} are empty or repeated; give one or more different seeds")
        if self.max_frames < 1 or self.epochs < 0:
            raise GymQAError(f"max_frames {self.max_frames} must be 1 or more, and epochs {self.epochs} 0 or more")
        if self.training.model != TRAINING.model:
            raise GymQAError("a study sets training.model itself; leave it out and name the recognizer with its option")
        if self.training.algorithm.semi_supervised:
            raise GymQAError(
                f"{self.training.algorithm.name} needs unlabelled clips, but in a study all clips are labelled; "
                "leave training.algorithm out"
            )

    def config(self, model: ModelConfig, classes: int, seed: int, clips: int) -> TrainConfig:
        """The settings of one training.

        Args:
            model: config of the recognizer.
            classes: number of classes.
            seed: seed of the training.
            clips: number of training clips, to convert epochs to steps.
        """
        config = replace(self.training, model=replace(model, n_classes=classes), seed=seed)
        return train_for_epochs(config, self.epochs, 0, clips) if self.epochs else config

    def described(self) -> dict[str, Any]:
        """The settings as JSON values for the results; a release is named by its folder."""
        values = resolved(self)
        rendered = {**values.pop("rendered"), "format": FORMAT}
        for name in ("model", "seed"):  # set by the study
            del values["training"][name]
        root = values.pop("root")
        return {**values, "data": rendered if root is None else Path(root).resolve().name}


def recognizer_named(name: str) -> ModelConfig:
    """Config of an RGB recognizer: one of SMALL, or of `gymqa list recognizers`.

    Raises:
        GymQAError: there is no such recognizer, or it has another modality.
    """
    return _named(name, SMALL, "rgb")


def skeleton_recognizer_named(name: str) -> ModelConfig:
    """Config of a skeleton recognizer: the small st-gcn, or one of `gymqa list recognizers`.

    Raises:
        GymQAError: there is no such recognizer, or it has another modality.
    """
    return _named(name, _SKELETONS, "pose")


def _named(name: str, small: Mapping[str, ModelConfig], modality: Modality) -> ModelConfig:
    try:
        config = small[name] if name in small else model_config(name)
    except GymQAError as error:
        raise GymQAError(f"{error}; or one of the small ones, {', '.join(small)}") from error
    if config.modality != modality:
        raise GymQAError(f"{name} takes {config.modality}, but the study gives {modality}; choose another recognizer")
    return config


def names_of_classes(taxonomy: Taxonomy, level: Level) -> list[str]:
    """Class names of a level (elements, sets or events), in the order of their labels."""
    if level == "element":
        return [element.display_name for element in taxonomy.elements]
    if level == "set":
        present = {element.set_id for element in taxonomy.elements}
        return [one.name for one in sorted(taxonomy.sets, key=lambda one: one.id) if one.id in present]
    present_events = {element.event for element in taxonomy.elements}
    return [event for event in EVENTS if event in present_events]


def at_level(clips: Sequence[Clip], taxonomy: Taxonomy, level: Level) -> list[Clip]:
    """The clips relabelled with their element's set or event."""
    if level == "element":
        return list(clips)
    set_names = {one.id: one.name for one in taxonomy.sets}
    label_of = {name: label for label, name in enumerate(names_of_classes(taxonomy, level))}
    elements = [taxonomy.elements[clip.label] for clip in clips if clip.label is not None]
    names = [set_names[one.set_id] if level == "set" else one.event for one in elements]
    return [replace(clip, label=label_of[name]) for clip, name in zip(clips, names, strict=True)]
