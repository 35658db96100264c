"""What is searched, and what is to be found in it: actions in whole videos, or sub-actions in actions."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gymqa.download.annotation_files import annotation_file
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Release, open_release, read_element_list
from gymqa.finegym.temporal import Action, read_annotations
from gymqa.io.files import write_text
from recognizers.localization.config import Level


@dataclass(frozen=True, slots=True)
class Instance:
    """A true segment: its label (None for an element that the setting has not), seconds from the stretch's start."""

    label: int | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of a video that is searched.

    Attributes:
        id: of the video, or of the action with its video, VIDEO_E_xxxxxx_yyyyyy; what detections name.
        video_id: of the video.
        start: second of the video; 0 for a whole one.
        end: second of the video; None for its end.
        instances: what is to be found.
    """

    id: str
    video_id: str
    start: float
    end: float | None
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Detection:
    """A segment that was found, as `gymqa metrics` reads it; seconds from the start of what `video_id` names."""

    video_id: str
    label: int
    start: float
    end: float
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Split:
    """Stretches to train on and to test on, of different videos."""

    train: tuple[Stretch, ...]
    test: tuple[Stretch, ...]


def read_split(root: Path, level: Level, setting: str | None = None) -> Split:
    """The stretches of a release of FineGym's format, split by video.

    FineGym's lists share videos. Tested are videos of the val list of which no clip is in the training list; trained
    on those with a clip in the training list.

    Args:
        root: folder of the release.
        level: actions in videos, labelled by their event's number; or sub-actions in actions, labelled in the setting.
        setting: gym99, …; may be left out where the release has only one.

    Raises:
        GymQAError: no such release, annotation or setting, or a side without a true segment.
    """
    release = open_release(root, setting)
    actions = read_annotations(annotation_file(root))
    labels = release.read_labels() if level == "sub-action" else {}
    sides = [_stretches([one for one in actions if one.video_id in ids], level, labels) for ids in _videos(release)]
    for side, what in zip(sides, ("train on", "test on"), strict=True):
        if not any(one.label is not None for stretch in side for one in stretch.instances):
            raise GymQAError(f"{root} has no video with a true {level} to {what}; check its annotation and lists")
    return Split(tuple(sides[0]), tuple(sides[1]))


def _videos(release: Release) -> tuple[set[str], set[str]]:
    """Ids of the videos to train on and to test on."""
    train = {clip.video_id for clip in read_element_list(release.train_list)}
    return train, {clip.video_id for clip in read_element_list(release.val_list)} - train


def _stretches(actions: Sequence[Action], level: Level, labels: dict[str, int]) -> list[Stretch]:
    if level == "sub-action":
        return [_action(action, labels) for action in actions if action.end > action.start and action.sub_actions]
    videos: dict[str, list[Instance]] = {}
    for action in actions:
        whole = [Instance(action.event, action.start, action.end)] if action.end > action.start else []
        videos.setdefault(action.video_id, []).extend(whole)
    return [Stretch(video_id, video_id, 0.0, None, tuple(found)) for video_id, found in videos.items()]


def _action(action: Action, labels: dict[str, int]) -> Stretch:
    """An action, and its sub-actions from their first stage's start to their last stage's end."""
    spans = [(one.clip_id, one.stages[0][0], one.stages[-1][1]) for one in action.sub_actions]
    found = tuple(Instance(labels.get(clip_id), start, end) for clip_id, start, end in spans if end > start)
    return Stretch(f"{action.video_id}_{action.id}", action.video_id, action.start, action.end, found)


def label_set(stretches: Iterable[Stretch]) -> tuple[int, ...]:
    """The labels of the true segments, in order."""
    return tuple(sorted({one.label for stretch in stretches for one in stretch.instances if one.label is not None}))


def write_detections(path: Path, detections: Iterable[Detection]) -> None:
    """Write {"video_id", "label", "start", "end", "score"} a line, whole or not at all."""
    names = Detection.__slots__
    lines = (json.dumps({name: getattr(one, name) for name in names}) + "\n" for one in detections)  # type: ignore[attr-defined]
    write_text(path, "".join(lines))


def write_truth(path: Path, stretches: Iterable[Stretch]) -> None:
    """Write the true segments as `gymqa metrics --truth` reads them, those of videos without features too."""
    write_detections(
        path,
        (
            Detection(stretch.id, one.label, one.start, one.end)
            for stretch in stretches
            for one in stretch.instances
            if one.label is not None
        ),
    )
