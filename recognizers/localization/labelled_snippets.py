"""Snippet features of video segments with their ground truth, and reading them from a SnippetStore."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recognizers.localization.proposals import Spans
from recognizers.localization.sampling import NO_CLASS, Classes
from recognizers.localization.segments import VideoSegment
from recognizers.localization.snippet_store import SnippetStore


@dataclass(frozen=True)
class LabelledSnippets:
    """Snippet features and ground truth of one video segment.

    Attributes:
        snippets: float32 [T, D].
        truth: [G, 2], true spans in snippets.
        classes: [G], their class indices; NO_CLASS for those without a label.
    """

    snippets: Tensor
    truth: Spans
    classes: Classes

    def active(self) -> Tensor:
        """Actionness targets: whether the middle of each snippet lies in a true span, float32 [T]."""
        middles = np.arange(len(self.snippets)) + 0.5
        inside = (self.truth[:, :1] <= middles) & (middles < self.truth[:, 1:])  # [G, T]
        return torch.from_numpy(inside.any(0).astype(np.float32))


def label_snippets(segment: VideoSegment, snippets: Tensor, seconds: float, labels: Sequence[int]) -> LabelledSnippets:
    """Add the ground truth of a video segment to its snippets.

    Args:
        segment: the video segment.
        snippets: [T, D].
        seconds: length of a snippet.
        labels: labels of the classes, in order.
    """
    index_of = {label: index for index, label in enumerate(labels)}
    truth = np.array([(one.start, one.end) for one in segment.instances], np.float64).reshape(-1, 2) / seconds
    classes = [NO_CLASS if one.label is None else index_of.get(one.label, NO_CLASS) for one in segment.instances]
    return LabelledSnippets(snippets, truth, np.array(classes, np.int64))


def read_snippets(
    store: SnippetStore, segments: Sequence[VideoSegment], seconds: float
) -> Iterator[tuple[VideoSegment, Tensor]]:
    """Yield video segments with their snippets [T, D], reading each video once; videos without features are skipped.

    Args:
        store: snippet features.
        segments: in any order.
        seconds: length of a snippet.
    """
    by_video: dict[str, list[VideoSegment]] = {}
    for segment in segments:
        by_video.setdefault(segment.video_id, []).append(segment)
    for video_id, found in by_video.items():
        if video_id not in store:
            continue
        features = store.features(video_id)
        for segment in found:
            yield segment, store.snippets(features, segment, seconds)


def missing_videos(store: SnippetStore, segments: Sequence[VideoSegment]) -> dict[str, str]:
    """Reasons of videos without features, by id."""
    ids = dict.fromkeys(segment.video_id for segment in segments)
    return {video_id: store.missing(video_id) for video_id in ids if video_id not in store}
