"""Video segments to search, their ground truth and detections: reading splits from a release, writing JSONL."""

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
    """A true action or sub-action: label (None if not in the setting), seconds from the video segment's start."""

    label: int | None
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class VideoSegment:
    """A whole video or an action, in which actions or sub-actions are searched.

    Attributes:
        id: of the video, or of the action with its video, VIDEO_E_xxxxxx_yyyyyy; detections refer to it.
        video_id: of the video.
        start: in seconds of the video; 0 for a whole one.
        end: in seconds of the video; None for its end.
        instances: the ground truth.
    """

    id: str
    video_id: str
    start: float
    end: float | None
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Detection:
    """A detection, as `gymqa metrics` reads it; `video_id` is the video segment's id, times are from its start."""

    video_id: str
    label: int
    start: float
    end: float
    score: float = 1.0


@dataclass(frozen=True, slots=True)
class Split:
    """Video segments for training and test, of different videos."""

    train: tuple[VideoSegment, ...]
    test: tuple[VideoSegment, ...]


def read_split(root: Path, level: Level, setting: str | None = None) -> Split:
    """Read the video segments of a release in FineGym's format, split by video.

    FineGym's lists share videos. Test videos are those of the val list without a clip in the training list; training
    videos those with a clip in the training list.

    Args:
        root: folder of the release.
        level: actions in videos, labelled by their event's number; or sub-actions in actions, labelled in the setting.
        setting: gym99, …; optional where the release has only one.

    Raises:
        GymQAError: the release, annotation or setting is missing, or one part of the split has no ground truth.
    """
    release = open_release(root, setting)
    actions = read_annotations(annotation_file(root))
    labels = release.read_labels() if level == "sub-action" else {}
    sides = [_segments([one for one in actions if one.video_id in ids], level, labels) for ids in _videos(release)]
    for side, what in zip(sides, ("train on", "test on"), strict=True):
        if not any(one.label is not None for segment in side for one in segment.instances):
            raise GymQAError(f"{root} has no video with a true {level} to {what}; check its annotation and lists")
    return Split(tuple(sides[0]), tuple(sides[1]))


def _videos(release: Release) -> tuple[set[str], set[str]]:
    """Ids of the training and test videos."""
    train = {clip.video_id for clip in read_element_list(release.train_list)}
    return train, {clip.video_id for clip in read_element_list(release.val_list)} - train


def _segments(actions: Sequence[Action], level: Level, labels: dict[str, int]) -> list[VideoSegment]:
    if level == "sub-action":
        return [
            _action_segment(action, labels) for action in actions if action.end > action.start and action.sub_actions
        ]
    videos: dict[str, list[Instance]] = {}
    for action in actions:
        whole = [Instance(action.event, action.start, action.end)] if action.end > action.start else []
        videos.setdefault(action.video_id, []).extend(whole)
    return [VideoSegment(video_id, video_id, 0.0, None, tuple(found)) for video_id, found in videos.items()]


def _action_segment(action: Action, labels: dict[str, int]) -> VideoSegment:
    """An action as video segment; its sub-actions last from their first stage's start to their last stage's end."""
    spans = [(one.clip_id, one.stages[0][0], one.stages[-1][1]) for one in action.sub_actions]
    found = tuple(Instance(labels.get(clip_id), start, end) for clip_id, start, end in spans if end > start)
    return VideoSegment(f"{action.video_id}_{action.id}", action.video_id, action.start, action.end, found)


def label_set(segments: Iterable[VideoSegment]) -> tuple[int, ...]:
    """The sorted labels of the ground truth."""
    return tuple(sorted({one.label for segment in segments for one in segment.instances if one.label is not None}))


def write_detections(path: Path, detections: Iterable[Detection]) -> None:
    """Write detections as JSON lines {"video_id", "label", "start", "end", "score"}, atomically."""
    names = Detection.__slots__
    lines = (json.dumps({name: getattr(one, name) for name in names}) + "\n" for one in detections)  # type: ignore[attr-defined]
    write_text(path, "".join(lines))


def write_truth(path: Path, segments: Iterable[VideoSegment]) -> None:
    """Write the ground truth as `gymqa metrics --truth` reads it, including videos without features."""
    write_detections(
        path,
        (
            Detection(segment.id, one.label, one.start, one.end)
            for segment in segments
            for one in segment.instances
            if one.label is not None
        ),
    )
