"""Snippets of stretches with what is true of them, as training and detection take them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recognizers.localization.proposals import Spans
from recognizers.localization.sampling import NOBODY, Classes
from recognizers.localization.snippet_store import SnippetStore
from recognizers.localization.stretches import Stretch


@dataclass(frozen=True)
class Material:
    """One stretch.

    Attributes:
        snippets: float32 [T, D].
        truth: [G, 2], true segments in snippets.
        classes: [G], their places among the labels; NOBODY for those without a label.
    """

    snippets: Tensor
    truth: Spans
    classes: Classes

    def active(self) -> Tensor:
        """Whether the middle of each snippet lies in a true segment: float32 [T]."""
        middles = np.arange(len(self.snippets)) + 0.5
        inside = (self.truth[:, :1] <= middles) & (middles < self.truth[:, 1:])  # [G, T]
        return torch.from_numpy(inside.any(0).astype(np.float32))


def material_of(stretch: Stretch, snippets: Tensor, seconds: float, labels: Sequence[int]) -> Material:
    """A stretch's material.

    Args:
        stretch: the stretch.
        snippets: [T, D].
        seconds: of a snippet.
        labels: of the classes, in their order.
    """
    place = {label: index for index, label in enumerate(labels)}
    truth = np.array([(one.start, one.end) for one in stretch.instances], np.float64).reshape(-1, 2) / seconds
    classes = [NOBODY if one.label is None else place.get(one.label, NOBODY) for one in stretch.instances]
    return Material(snippets, truth, np.array(classes, np.int64))


def read_snippets(
    store: SnippetStore, stretches: Sequence[Stretch], seconds: float
) -> Iterator[tuple[Stretch, Tensor]]:
    """Yield the stretches whose video is in the store with their snippets [T, D], video after video; each is read once.

    Args:
        store: of features.
        stretches: in any order.
        seconds: of a snippet.
    """
    by_video: dict[str, list[Stretch]] = {}
    for stretch in stretches:
        by_video.setdefault(stretch.video_id, []).append(stretch)
    for video_id, found in by_video.items():
        if video_id not in store:
            continue
        features = store.features(video_id)
        for stretch in found:
            yield stretch, store.snippets(features, stretch, seconds)


def missing_videos(store: SnippetStore, stretches: Sequence[Stretch]) -> dict[str, str]:
    """Why videos of the stretches have no features, by id."""
    ids = dict.fromkeys(stretch.video_id for stretch in stretches)
    return {video_id: store.missing(video_id) for video_id in ids if video_id not in store}
