"""Temporal localization: mean average precision at thresholds of temporal IoU (mAP@tIoU).

As ActivityNet's evaluation computes it (Heilbron et al. 2015, and its released `get_detection_performance.py`), which
FineGym's Table 4 follows: within a class, detections are ranked by score; each is matched to the unmatched segment of
its video with the largest IoU, if that reaches the threshold; precision is interpolated.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eval.stats.bootstrap import FloatArray
from gymqa.errors import GymQAError
from gymqa.io.jsonl import decode

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a video, in seconds, with its class; `score` is the confidence of a detection.

    Raises:
        GymQAError: the end is not after the start, or a number is not finite.
    """

    video_id: str
    label: int
    start: float
    end: float
    score: float = 1.0

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.start, self.end, self.score))) or self.end <= self.start:
            raise GymQAError(f"a segment of {self.video_id} goes from {self.start} to {self.end}; correct it")


def read_segments(path: Path) -> list[Segment]:
    """Read JSON lines {"video_id", "label", "start", "end"}, of detections also {"score"}.

    Raises:
        GymQAError: the file is missing, or a line is wrong (named as file:line).
    """
    found = []
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                try:
                    found += [decode(Segment, line)] if line.strip() else []
                except GymQAError as error:
                    raise GymQAError(f"{path}:{number}: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); check the path") from error
    return found


def temporal_iou(segment: Segment, others: Sequence[Segment]) -> FloatArray:
    """Intersection over union of a segment with each of n others, all of one video; float [n]."""
    starts, ends = (np.array([getattr(one, end) for one in others], dtype=np.float64) for end in ("start", "end"))
    shared = np.maximum(np.minimum(segment.end, ends) - np.maximum(segment.start, starts), 0.0)
    return np.asarray(shared / (segment.end - segment.start + ends - starts - shared))


def map_at_tiou(
    truth: Sequence[Segment], detections: Sequence[Segment], thresholds: Sequence[float] = THRESHOLDS
) -> dict[float, float]:
    """MAP at each threshold, in [0, 1]: the mean over the classes with true segments.

    Detections in videos without a segment of their class are false positives; equal scores keep their order.

    Raises:
        GymQAError: no true segment.
    """
    if not truth:
        raise GymQAError("there is no true segment to find; check the file of the truth")
    classes = sorted({one.label for one in truth})
    true_of, found_of = _by_label(truth), _by_label(detections)
    precisions = np.array([average_precisions(true_of[one], found_of[one], thresholds) for one in classes])  # [C, T]
    return dict(zip(thresholds, precisions.mean(axis=0).tolist(), strict=True))


def average_map(by_threshold: dict[float, float]) -> float:
    """The mean over the thresholds, FineGym's "Avg"."""
    return float(np.mean(list(by_threshold.values())))


def average_precisions(
    truth: Sequence[Segment], detections: Sequence[Segment], thresholds: Sequence[float]
) -> list[float]:
    """Interpolated average precision of one class at each threshold.

    Args:
        truth: its true segments, at least one.
        detections: its detections, in any order.
        thresholds: of the temporal IoU.
    """
    by_video: dict[str, list[Segment]] = defaultdict(list)
    for one in truth:
        by_video[one.video_id].append(one)
    ranked = sorted(detections, key=lambda one: -one.score)
    overlaps = [temporal_iou(one, by_video[one.video_id]) if one.video_id in by_video else None for one in ranked]
    found = []
    for threshold in thresholds:
        free = {video: np.ones(len(segments), dtype=bool) for video, segments in by_video.items()}
        hits = np.array([_matches(free.get(one.video_id), overlap, threshold)
                         for one, overlap in zip(ranked, overlaps, strict=True)], dtype=bool)  # fmt: skip
        found.append(_interpolated(hits, len(truth)))
    return found


def _matches(free: np.ndarray | None, overlap: FloatArray | None, threshold: float) -> bool:
    """Match a detection to the free segment of largest IoU, if that reaches the threshold; whether it did."""
    if free is None or overlap is None:
        return False
    best = int(np.argmax(np.where(free, overlap, -1.0)))
    if not free[best] or overlap[best] < threshold:
        return False
    free[best] = False
    return True


def _interpolated(hits: np.ndarray, n_true: int) -> float:
    """Area under the interpolated precision-recall curve; `hits` in order of score."""
    reached = np.cumsum(hits)
    precision = reached / np.arange(1, len(hits) + 1)
    best_later = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_later[hits].sum() / n_true)


def _by_label(segments: Iterable[Segment]) -> dict[int, list[Segment]]:
    found: dict[int, list[Segment]] = defaultdict(list)
    for one in segments:
        found[one.label].append(one)
    return found
