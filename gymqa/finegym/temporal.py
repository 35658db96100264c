"""FineGym's temporal annotation: read the time spans of actions in raw videos and of sub-actions in actions.

Source: FineGym (CVPR'20) and the page's "How to read the temporal annotation files (JSON)".
"""

import re
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import VIDEO_ID
from gymqa.io.files import read_json
from gymqa.io.text import JsonObject, location_of

ACTION_ID = re.compile(r"E_\d{6}_\d{6}", re.ASCII)
SUB_ACTION_ID = re.compile(r"A_\d{4}_\d{4}", re.ASCII)
_MALFORMED = (KeyError, TypeError, ValueError, OverflowError)  # raised by a malformed entry


@dataclass(frozen=True, slots=True)
class SubAction:
    """One annotated sub-action; `stages` are (start, end) in seconds from the start of the action."""

    clip_id: str
    stages: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Action:
    """One annotated routine or vault: `event` is FineGym's event number, `start` and `end` seconds in the video."""

    video_id: str
    id: str
    event: int
    start: float
    end: float
    sub_actions: tuple[SubAction, ...]


def read_annotations(path: Path) -> list[Action]:
    """Read `finegym_annotation_info.json`, in the file's order.

    Raises:
        GymQAError: the file is missing or not JSON, or an entry (named as file:line) is malformed or repeated.
    """
    videos = read_json(path, JsonObject)
    if not isinstance(videos, JsonObject):
        raise GymQAError(f"{path} is not a FineGym annotation file: a JSON object keyed by video id is expected")
    _refuse_twice(path, videos, "video")
    return [action for video_id, entries in videos.items() for action in _read_video(path, video_id, entries)]


def _read_video(path: Path, video_id: str, entries: Any) -> list[Action]:
    if VIDEO_ID.fullmatch(video_id) is None:
        raise GymQAError(
            f"{location_of(path, video_id)}: {video_id!r} is no video id (at most 64 letters, digits, - and _); "
            "correct the entry"
        )
    if not isinstance(entries, JsonObject):
        where = location_of(path, video_id)
        raise GymQAError(f"{where}: video {video_id} holds no object of actions (E_xxxxxx_yyyyyy); correct the entry")
    _refuse_twice(path, entries, f"video {video_id}: action", video_id)
    actions = []
    for action_id, entry in entries.items():
        try:
            actions.append(_read_action(video_id, action_id, entry))
        except _MALFORMED as error:
            where = location_of(path, video_id, action_id)
            raise GymQAError(
                f"{where}: action {action_id} of video {video_id} is wrong ({error!r}); correct the entry"
            ) from error
    return actions


def _refuse_twice(path: Path, entries: JsonObject, what: str, *keys: str) -> None:
    """Refuse a repeated key in the object under `keys`."""
    for key in entries.repeated:
        where = location_of(path, *keys, key, again=True)
        raise GymQAError(f"{where}: {what} {key} occurs a second time; remove one of its entries")


def _read_action(video_id: str, action_id: str, entry: Any) -> Action:
    if ACTION_ID.fullmatch(action_id) is None:
        raise ValueError(f"{action_id!r} is not E_xxxxxx_yyyyyy")
    ((start, end),) = _spans(entry["timestamps"])
    segments = JsonObject([]) if entry["segments"] is None else entry["segments"]  # null means no sub-actions
    if not isinstance(segments, JsonObject):
        raise ValueError("segments are a JSON object of sub-actions")
    if segments.repeated:
        raise ValueError(f"{segments.repeated[0]} occurs a second time")
    sub_actions = tuple(
        SubAction(f"{video_id}_{action_id}_{segment_id}", _read_stages(segment_id, segment))
        for segment_id, segment in segments.items()
    )
    return Action(video_id, action_id, int(entry["event"]), start, end, sub_actions)


def _read_stages(segment_id: str, segment: Any) -> tuple[tuple[float, float], ...]:
    if SUB_ACTION_ID.fullmatch(segment_id) is None:
        raise ValueError(f"{segment_id!r} is not A_zzzz_wwww")
    stages = _spans(segment["timestamps"])
    if len(stages) != segment["stages"]:
        raise ValueError(f"{segment_id} declares {segment['stages']} stages and has {len(stages)}")
    return stages


def _spans(timestamps: list[list[float]]) -> tuple[tuple[float, float], ...]:
    spans = tuple((float(start), float(end)) for start, end in timestamps)
    for start, end in spans:
        if not 0 <= start <= end < inf:
            raise ValueError(f"the span {start} to {end} s does not have 0 ≤ start ≤ end")
    return spans
