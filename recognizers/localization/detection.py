"""Finding actions: proposals, what the segment network says of each, and one segment where many overlap.

As at the test of Zhao et al. (ICCV'17): a proposal's score for a class is its activity's probability times
exp(completeness); its bounds are moved as the class's regression says; non-maximum suppression is class by class.
Completeness counts up to 1 only, unlike there: beyond it the hinge loss asks for nothing, and what a classifier says of
proposals unlike any that it was trained on (bits of background, say) would outweigh their activity.
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
from recognizers.localization.material import missing_videos, read_snippets
from recognizers.localization.network import Localizer, placed
from recognizers.localization.proposals import Spans, group_actionness, suppress
from recognizers.localization.snippet_store import SnippetStore
from recognizers.localization.stretches import Detection, Stretch


@dataclass(frozen=True)
class DetectionConfig:
    """How segments are chosen.

    Attributes:
        overlap: of two segments of a class that overlap by more than this (IoU), the surer one stays; 0.2 is the
            released code's on THUMOS14, where, as here, an action seldom overlaps the next.
        complete: completeness beyond which more does not count.
        most: segments of a stretch, the surest ones.
        grouping: of snippets to proposals; None takes that of the training.
    """

    overlap: float = 0.2
    complete: float = 1.0
    most: int = 200
    grouping: GroupingConfig | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= 1 or self.most < 1:
            raise GymQAError(f"{self}: overlap lies between 0 and 1, most is at least 1")


class Segments(NamedTuple):
    """Segments of a stretch, the surest first: spans [N, 2] in snippets, classes [N], scores [N]."""

    spans: Spans
    classes: NDArray[np.int64]
    scores: NDArray[np.float64]


@torch.inference_mode()
def find_segments(model: Localizer, snippets: Tensor, config: DetectionConfig = DetectionConfig()) -> Segments:
    """Find a stretch's segments.

    Args:
        model: in evaluation mode.
        snippets: [T, D], on its device.
        config: how they are chosen.
    """
    actionness = model.actionness(snippets).sigmoid().double().cpu().numpy()
    proposals = group_actionness(actionness, config.grouping or model.config.grouping)
    spans = torch.from_numpy(proposals).to(snippets.device).float()
    if not len(spans):
        return Segments(np.empty((0, 2)), np.empty(0, np.int64), np.empty(0))
    found = model(snippets, spans)
    scores = found.activity.softmax(1)[:, 1:] * found.completeness.clamp(max=config.complete).exp()  # [P, K]
    moved = placed(spans, found.places * model.place_std + model.place_mean).clamp(0, len(snippets))  # [P, K, 2]
    return chosen(moved.double().cpu().numpy(), scores.double().cpu().numpy(), config)


def chosen(spans: NDArray[np.float64], scores: NDArray[np.float64], config: DetectionConfig) -> Segments:
    """Suppress class by class and keep the surest: spans [P, K, 2], scores [P, K]."""
    parts = []
    for label in range(scores.shape[1]):
        there = np.flatnonzero(spans[:, label, 1] - spans[:, label, 0] > 0.01)  # moved out of the stretch otherwise
        kept = there[suppress(spans[there, label], scores[there, label], config.overlap)]
        parts.append((spans[kept, label], np.full(len(kept), label), scores[kept, label]))
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    surest = np.argsort(-joined[2], kind="stable")[: config.most]
    return Segments(*(part[surest] for part in joined))


def detect(
    model: Localizer, store: SnippetStore, stretches: Sequence[Stretch], config: DetectionConfig = DetectionConfig()
) -> tuple[list[Detection], dict[str, str]]:
    """Find the segments of many stretches.

    Args:
        model: on the device it is to run on; its mode is set to evaluation.
        store: features of the stretches' videos, by the network that the model was trained with.
        stretches: what to search.
        config: how segments are chosen.

    Returns:
        The segments, seconds from each stretch's start; and why videos could not be searched, by id: their true
        segments are missed.

    Raises:
        GymQAError: the features are another network's or of another rate, or damaged.
    """
    if dict(model.config.seen_by) != store.seen_by:
        raise GymQAError(f"{store.folder} holds other features than the localizer was trained on; give those")
    model.eval()
    device, seconds = next(model.parameters()).device, model.config.snippet
    found: list[Detection] = []
    with progress_bar("localizing", len(stretches)) as bar:
        for stretch, snippets in read_snippets(store, stretches, seconds):
            segments = find_segments(model, snippets.to(device), config)
            for span, label, score in zip(*segments, strict=True):
                start, end = (round(float(place) * seconds, 4) for place in span)
                found.append(Detection(stretch.id, model.config.labels[label], start, end, float(score)))
            bar.advance()
    return found, missing_videos(store, stretches)
