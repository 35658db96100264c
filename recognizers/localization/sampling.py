"""Which proposals are foreground, background or incomplete, and which of them a step sees.

Source: Zhao et al. (ICCV'17), section 4.2: foreground proposals overlap a true segment well, incomplete ones lie in one
but cover little of it, background ones touch none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognizers.localization.config import SamplingConfig
from recognizers.localization.proposals import Spans, intersections, overlaps

NOBODY = -1  # the class of a true segment that has none of the setting
Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Pool:
    """A stretch's proposals by what they train; spans in snippets.

    Attributes:
        foreground: [F, 2], the true segments themselves among them, first.
        matched: [F, 2], each one's true segment.
        classes: [F], of it.
        incomplete: [I, 2].
        incomplete_classes: [I], of the true segment that each lies in.
        background: [B, 2].
        instances: true segments that have a class.
    """

    foreground: Spans
    matched: Spans
    classes: Classes
    incomplete: Spans
    incomplete_classes: Classes
    background: Spans
    instances: int


@dataclass(frozen=True)
class Drawn:
    """Proposals of one step: foreground, then incomplete ones group by group, then background.

    Attributes:
        spans: [F + G·M + B, 2].
        matched: [F, 2], true segments.
        classes: [F].
        incomplete_classes: [G, M].
    """

    spans: Spans
    matched: Spans
    classes: Classes
    incomplete_classes: Classes


def sort_out(proposals: Spans, truth: Spans, classes: Classes, config: SamplingConfig) -> Pool:
    """Say what each proposal trains, if anything.

    Args:
        proposals: [P, 2].
        truth: [G, 2], true segments.
        classes: [G], NOBODY for those whose class is not learnt; proposals near those train nothing.
        config: the bounds.
    """
    known = classes != NOBODY
    if not len(truth) or not len(proposals):
        rest = proposals if not len(truth) else np.empty((0, 2))
        none = np.empty((0, 2))
        return Pool(truth[known], truth[known], classes[known], none, np.empty(0, np.int64), rest, int(known.sum()))
    overlap = overlaps(proposals, truth)  # [P, G]
    best, most = overlap.argmax(1), overlap.max(1)
    share = intersections(proposals, truth) / (proposals[:, 1:] - proposals[:, :1])
    within = share.argmax(1)
    good = (most > config.foreground) & known[best]
    part = (most < config.incomplete) & (share.max(1) > config.inside) & known[within]
    outside = most < config.background
    return Pool(
        foreground=np.concatenate([truth[known], proposals[good]]),
        matched=np.concatenate([truth[known], truth[best[good]]]),
        classes=np.concatenate([classes[known], classes[best[good]]]),
        incomplete=proposals[part],
        incomplete_classes=classes[within[part]],
        background=proposals[outside & ~part],
        instances=int(known.sum()),
    )


def draw(pool: Pool, config: SamplingConfig, rng: np.random.Generator) -> Drawn:
    """Draw as many groups as there are true segments, one at least; what there is none of is left out.

    The paper draws one group a video; a routine of a dozen sub-actions then would show each once in a dozen passes.
    """
    groups = max(1, pool.instances)
    front = _picked(rng, len(pool.foreground), groups * config.foregrounds)
    parts = _picked(rng, len(pool.incomplete), groups * config.incompletes)
    back = _picked(rng, len(pool.background), groups * config.backgrounds)
    return Drawn(
        spans=np.concatenate([pool.foreground[front], pool.incomplete[parts], pool.background[back]]),
        matched=pool.matched[front],
        classes=pool.classes[front],
        incomplete_classes=pool.incomplete_classes[parts].reshape(-1, config.incompletes),
    )


def _picked(rng: np.random.Generator, there: int, wanted: int) -> NDArray[np.int64]:
    """Indices of `wanted` of those there, several times where there are too few; none of none."""
    if not there:
        return np.empty(0, np.int64)
    return np.asarray(rng.choice(there, wanted, replace=there < wanted), np.int64)
