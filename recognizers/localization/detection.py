"""Detection: score proposals with the segment network, regress their bounds, and apply class-wise NMS.

As at test time in Zhao et al. (ICCV'17): a proposal's score for a class is its activity's probability times
exp(completeness), and its bounds are regressed for each class. Unlike there, completeness is clipped at 1: the hinge
loss does not constrain it beyond, and extrapolated values for unusual proposals would outweigh their activity.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gymqa.errors import GymQAError
from gymqa.io.console import progress_bar
from recognizers.localization.config import GroupingConfig
from recognizers.localization.labelled_snippets import missing_videos, read_snippets
from recognizers.localization.network import Localizer, apply_regression
from recognizers.localization.proposals import Spans, group_actionness, suppress
from recognizers.localization.segments import Detection, VideoSegment
from recognizers.localization.snippet_store import SnippetStore


@dataclass(frozen=True)
class DetectionConfig:
    """Config of detection.

    Attributes:
        overlap: IoU threshold of non-maximum suppression; 0.2 is the released code's on THUMOS14, where, as here,
            actions seldom overlap.
        complete: upper bound of completeness in the score.
        most: most detections in a video segment, by score.
        grouping: of snippets to proposals; None takes that of the training.
    """

    overlap: float = 0.2
    complete: float = 1.0
    most: int = 200
    grouping: GroupingConfig | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= 1 or self.most < 1:
            raise GymQAError(f"{self}: overlap must lie between 0 and 1, most must be at least 1")


class ScoredSegments(NamedTuple):
    """Detections in a video segment by falling score: spans [N, 2] in snippets, classes [N], scores [N]."""

    spans: Spans
    classes: NDArray[np.int64]
    scores: NDArray[np.float64]


@torch.inference_mode()
def find_segments(model: Localizer, snippets: Tensor, config: DetectionConfig = DetectionConfig()) -> ScoredSegments:
    """Detect segments from the snippets of a video segment.

    Args:
        model: in evaluation mode.
        snippets: [T, D], on its device.
        config: of detection.
    """
    actionness = model.actionness(snippets).sigmoid().double().cpu().numpy()
    proposals = group_actionness(actionness, config.grouping or model.config.grouping)
    spans = torch.from_numpy(proposals).to(snippets.device).float()
    if not len(spans):
        return ScoredSegments(np.empty((0, 2)), np.empty(0, np.int64), np.empty(0))
    found = model(snippets, spans)
    scores = found.activity.softmax(1)[:, 1:] * found.completeness.clamp(max=config.complete).exp()  # [P, K]
    moved = apply_regression(spans, found.regression * model.place_std + model.place_mean).clamp(
        0, len(snippets)
    )  # [P, K, 2]
    return select_segments(moved.double().cpu().numpy(), scores.double().cpu().numpy(), config)


def select_segments(spans: NDArray[np.float64], scores: NDArray[np.float64], config: DetectionConfig) -> ScoredSegments:
    """Class-wise non-maximum suppression, then the highest scores: spans [P, K, 2], scores [P, K]."""
    parts = []
    for label in range(scores.shape[1]):
        there = np.flatnonzero(spans[:, label, 1] - spans[:, label, 0] > 0.01)  # else regressed out of the segment
        kept = there[suppress(spans[there, label], scores[there, label], config.overlap)]
        parts.append((spans[kept, label], np.full(len(kept), label), scores[kept, label]))
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    surest = np.argsort(-joined[2], kind="stable")[: config.most]
    return ScoredSegments(*(part[surest] for part in joined))


def detect(
    model: Localizer, store: SnippetStore, segments: Sequence[VideoSegment], config: DetectionConfig = DetectionConfig()
) -> tuple[list[Detection], dict[str, str]]:
    """Detect actions or sub-actions in video segments.

    Args:
        model: on its device; set to evaluation mode.
        store: features of the videos, from the network that the model was trained on.
        segments: video segments to search.
        config: of detection.

    Returns:
        The detections, in seconds from their video segment's start; and the reasons of videos without features, by id,
        whose true segments are all missed.

    Raises:
        GymQAError: the features are of another network or frame rate, or damaged.
    """
    if dict(model.config.seen_by) != store.seen_by:
        raise GymQAError(
            f"{store.folder} holds features of another network or frame rate than the localizer's; "
            "give the features of its training"
        )
    model.eval()
    device, seconds = next(model.parameters()).device, model.config.snippet
    found: list[Detection] = []
    with progress_bar("localizing", len(segments)) as bar:
        for segment, snippets in read_snippets(store, segments, seconds):
            found_segments = find_segments(model, snippets.to(device), config)
            for span, label, score in zip(*found_segments, strict=True):
                start, end = (round(float(bound) * seconds, 4) for bound in span)
                found.append(Detection(segment.id, model.config.labels[label], start, end, float(score)))
            bar.advance()
    return found, missing_videos(store, segments)
