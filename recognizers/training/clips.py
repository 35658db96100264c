"""The clips of a training: which are there, and whether they fit the model and each other."""

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
    """Clips with their frames: labelled, without label, and those to choose the best weights by (perhaps none)."""

    cache: FrameSource
    labelled: list[Clip]
    unlabelled: list[Clip]
    val: list[Clip]

    @property
    def fingerprint(self) -> str:
        """A hash of the clips, their labels, and what the cache keeps of each."""
        learnt = [*self.labelled, *self.unlabelled]
        cache = self.cache
        lengths = cache.lengths([clip.id for clip in learnt]).tolist()
        kept = [*cache.fingerprint().values(), cache.format, *lengths]
        return hash_key(*(f"{clip.id} {clip.label}" for clip in (*learnt, *self.val)), *kept).hex()


def training_source(config: TrainConfig, folder: Path) -> FrameSource:
    """Open the frames that a training looks at.

    Raises:
        GymQAError: the folder does not hold them.
    """
    return source_of(config.modality, folder, _instead(config))


def _instead(config: TrainConfig) -> str:
    """What can be done without the frames that a training wants; "" is another model."""
    return "" if config.modality == config.model.modality else f"another algorithm than {config.algorithm.name}"


def training_clips(config: TrainConfig, cache: FrameSource, splits: Splits) -> TrainingClips:
    """The clips of the splits that are in the cache; the number of others is said.

    Raises:
        GymQAError: frames of another modality than the training's, or smaller ones, labels outside the
            classes, a class without labelled clips, or validation on clips that results are reported on.
    """
    require_modality(config.modality, cache, config.model.joints_of, _instead(config))
    if cache.size < config.model.image_size:
        raise GymQAError(
            f"the frames in {cache.folder} are {cache.size} px, and the model looks at {config.model.image_size} px; "
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
    """The val clips, if the training looks at them; those that did not decode stay in and count as wrong."""
    if not config.validate_every:
        return []
    if not splits.test:
        raise GymQAError(
            "val.txt of these splits is what results are reported on, and the best weights are not chosen on it; "
            "make splits with --val_from_train 0.1, or set validate_every to 0"
        )
    if not any(clip.id in cache for clip in splits.val):
        raise GymQAError(f"no clip of val.txt is in the frame cache {cache.folder}; build it with --lists val.txt, too")
    return splits.val
