"""Clips of a training from its splits and frame cache, checked against the model: labelled, unlabelled, validation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.splits import Splits
from gymqa.frames.source import FrameSource, require_modality
from gymqa.frames.views import source_of
from gymqa.io.console import console
from gymqa.runtime.seeding import hash_key
from recognizers.config import TrainConfig


@dataclass(frozen=True)
class TrainingClips:
    """A training's frame source and its labelled, unlabelled and validation clips (perhaps none)."""

    cache: FrameSource
    labelled: list[Clip]
    unlabelled: list[Clip]
    val: list[Clip]

    @property
    def fingerprint(self) -> str:
        """Hash of the clips, their labels, and the cache's format and frame counts."""
        learnt = [*self.labelled, *self.unlabelled]
        cache = self.cache
        lengths = cache.lengths([clip.id for clip in learnt]).tolist()
        kept = [*cache.fingerprint().values(), cache.format, *lengths]
        return hash_key(*(f"{clip.id} {clip.label}" for clip in (*learnt, *self.val)), *kept).hex()


def training_source(config: TrainConfig, folder: Path) -> FrameSource:
    """Open the frame source of a training's modality.

    Raises:
        GymQAError: the folder does not hold such frames.
    """
    return source_of(config.modality, folder, _alternative(config))


def _alternative(config: TrainConfig) -> str:
    """Alternative to be named where the training's frames are missing; "" for another model."""
    return "" if config.modality == config.model.modality else f"another algorithm than {config.algorithm.name}"


def training_clips(config: TrainConfig, cache: FrameSource, splits: Splits) -> TrainingClips:
    """Select the clips of the splits that are in the cache; prints the number of the others.

    Raises:
        GymQAError: the frames have another modality or are too small, a label is no class, a class has no labelled
            clip, or the validation clips are test clips.
    """
    require_modality(config.modality, cache, config.model.skeleton_name, _alternative(config))
    if cache.size < config.model.image_size:
        raise GymQAError(
            f"the frames in {cache.folder} are {cache.size} px, but the model takes {config.model.image_size} px; "
            f"build the cache with --size {config.model.image_size}"
        )
    labelled = [clip for clip in splits.labelled if clip.id in cache]
    unlabelled = [replace(clip, label=None) for clip in splits.unlabelled if clip.id in cache]
    lost = len(splits.labelled) + len(splits.unlabelled) - len(labelled) - len(unlabelled)
    if lost:
        console.print(f"{lost} clips are not in the frame cache (they did not decode); training goes on without them")
    _check_labels(labelled, config.model.n_classes)
    return TrainingClips(cache, labelled, unlabelled, _validation(config, cache, splits))


def _check_labels(labelled: Sequence[Clip], classes: int) -> None:
    for clip in labelled:
        if clip.label is None or not 0 <= clip.label < classes:
            raise GymQAError(f"clip {clip.id} has label {clip.label}, but the model has classes 0 to {classes - 1}")
    absent = sorted(set(range(classes)) - {clip.label for clip in labelled if clip.label is not None})
    if absent:
        raise GymQAError(f"classes {absent} have no labelled clip; label at least one of each, or set model.n_classes")


def _validation(config: TrainConfig, cache: FrameSource, splits: Splits) -> list[Clip]:
    """The val clips, if the training validates; those that did not decode are kept and count as wrong."""
    if not config.validate_every:
        return []
    if not splits.test:
        raise GymQAError(
            "val.txt of these splits is the test set, on which the best weights must not be selected; "
            "make splits with --val_from_train 0.1, or set validate_every to 0"
        )
    if not any(clip.id in cache for clip in splits.val):
        raise GymQAError(f"no clip of val.txt is in the frame cache {cache.folder}; build it with --lists val.txt, too")
    return splits.val
