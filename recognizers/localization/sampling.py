"""Assign proposals to foreground, incomplete or background, and sample those of a training step.

Source: Zhao et al. (ICCV'17), section 4.2: foreground proposals overlap a true span well, incomplete ones lie in one
but cover little of it, background ones touch none.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recognizers.localization.config import SamplingConfig
from recognizers.localization.proposals import Spans, intersections, overlaps

NO_CLASS = -1  # class of a true span whose element is not in the setting
Classes = NDArray[np.int64]


@dataclass(frozen=True)
class ProposalPool:
    """Proposals of a video segment by assignment; spans in snippets.

    Attributes:
        foreground: [F, 2], beginning with the true spans themselves.
        matched: [F, 2], their true spans.
        classes: [F], their classes.
        incomplete: [I, 2].
        incomplete_classes: [I], classes of the true spans around them.
        background: [B, 2].
        instances: number of true spans that have a class.
    """

    foreground: Spans
    matched: Spans
    classes: Classes
    incomplete: Spans
    incomplete_classes: Classes
    background: Spans
    instances: int


@dataclass(frozen=True)
class SampledProposals:
    """Sampled proposals of one step: foreground, then incomplete ones by group, then background.

    Attributes:
        spans: [F + G·M + B, 2].
        matched: [F, 2], true spans.
        classes: [F].
        incomplete_classes: [G, M].
    """

    spans: Spans
    matched: Spans
    classes: Classes
    incomplete_classes: Classes


def assign_proposals(proposals: Spans, truth: Spans, classes: Classes, config: SamplingConfig) -> ProposalPool:
    """Assign each proposal to foreground, incomplete, background, or none.

    Args:
        proposals: [P, 2].
        truth: [G, 2], true spans.
        classes: [G], NO_CLASS for those without a class; proposals near those are not assigned.
        config: IoU thresholds.
    """
    known = classes != NO_CLASS
    if not len(truth) or not len(proposals):
        rest = proposals if not len(truth) else np.empty((0, 2))
        none = np.empty((0, 2))
        return ProposalPool(
            truth[known], truth[known], classes[known], none, np.empty(0, np.int64), rest, int(known.sum())
        )
    overlap = overlaps(proposals, truth)  # [P, G]
    best, most = overlap.argmax(1), overlap.max(1)
    covered = intersections(proposals, truth) / (proposals[:, 1:] - proposals[:, :1])
    within = covered.argmax(1)
    good = (most > config.foreground) & known[best]
    part = (most < config.incomplete) & (covered.max(1) > config.inside) & known[within]
    outside = most < config.background
    return ProposalPool(
        foreground=np.concatenate([truth[known], proposals[good]]),
        matched=np.concatenate([truth[known], truth[best[good]]]),
        classes=np.concatenate([classes[known], classes[best[good]]]),
        incomplete=proposals[part],
        incomplete_classes=classes[within[part]],
        background=proposals[outside & ~part],
        instances=int(known.sum()),
    )


def sample_proposals(pool: ProposalPool, config: SamplingConfig, rng: np.random.Generator) -> SampledProposals:
    """Sample as many groups as there are true spans, at least one; missing kinds are left out.

    The paper samples one group for each video; a routine of a dozen sub-actions would then use each once in a dozen
    epochs.
    """
    groups = max(1, pool.instances)
    front = _sample_indices(rng, len(pool.foreground), groups * config.foregrounds)
    parts = _sample_indices(rng, len(pool.incomplete), groups * config.incompletes)
    back = _sample_indices(rng, len(pool.background), groups * config.backgrounds)
    return SampledProposals(
        spans=np.concatenate([pool.foreground[front], pool.incomplete[parts], pool.background[back]]),
        matched=pool.matched[front],
        classes=pool.classes[front],
        incomplete_classes=pool.incomplete_classes[parts].reshape(-1, config.incompletes),
    )


def _sample_indices(rng: np.random.Generator, there: int, wanted: int) -> NDArray[np.int64]:
    """Random indices of `wanted` of those there, with replacement where there are too few; empty if there are none."""
    if not there:
        return np.empty(0, np.int64)
    return np.asarray(rng.choice(there, wanted, replace=there < wanted), np.int64)
