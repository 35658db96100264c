"""Clips without a label, learned from by what a recognizer says they are, each as much as it is sure.

Semi-supervised instruction tuning: the recognizer's most probable class becomes the clip's element, its probability
the clip's weight (FixMatch's confidence, Sohn et al. 2020, kept continuous as in SeFAR's adaptive regulation).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip


@dataclass(frozen=True, slots=True)
class PseudoLabel:
    """A clip whose label is a recognizer's guess, and how much it counts, in [0, 1]."""

    clip: Clip
    weight: float


def read_probabilities(path: Path, n_classes: int) -> dict[str, NDArray[np.float64]]:
    """Probabilities [C] by clip id, from a file of `gymqa predict`; clips without any are left out, labels not read.

    Raises:
        GymQAError: the file is missing, a line is wrong, or has another number of classes.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise GymQAError(f"{path} cannot be read ({error}); run gymqa predict on the unlabelled clips") from error
    found: dict[str, NDArray[np.float64]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            clip, scores = str(record["clip_id"]), record["probabilities"]
            row = None if scores is None else np.array(scores, dtype=np.float64)
        except (ValueError, KeyError, TypeError) as error:
            raise GymQAError(f"{path}:{number}: not a prediction ({error!r}); predict again") from error
        if row is None:
            continue
        if row.shape != (n_classes,) or not bool(((row >= 0) & (row <= 1 + 1e-6)).all()):
            raise GymQAError(
                f"{path}:{number}: not the probabilities of {n_classes} classes; predict with a recognizer of this "
                "setting"
            )
        if clip in found:
            raise GymQAError(f"{path}:{number}: clip {clip} stands there twice; predict again")
        found[clip] = row
    return found


def pseudo_labels(
    probabilities: Mapping[str, NDArray[np.float64]],
    unlabelled: Sequence[Clip],
    labelled: Sequence[Clip],
    threshold: float,
) -> list[PseudoLabel]:
    """The unlabelled clips of which the recognizer is at least as sure as `threshold`, in the list's order.

    Whatever label an unlabelled clip carries is not looked at; a clip that is labelled too keeps its true label, and is
    not among them. Probabilities of other clips (of val, say) are not used.

    Args:
        probabilities: [C] by clip id.
        unlabelled: clips to learn from without their label.
        labelled: clips whose label is known.
        threshold: lowest weight, in [0, 1].

    Raises:
        GymQAError: none of the unlabelled clips has probabilities.
    """
    known = {clip.id for clip in labelled}
    open_clips = [clip for clip in unlabelled if clip.id not in known]
    if not any(clip.id in probabilities for clip in open_clips):
        raise GymQAError(
            "the pseudo-labels are of none of the unlabelled clips; run gymqa predict with --clips unlabelled.txt"
        )
    found = []
    for clip in open_clips:
        row = probabilities.get(clip.id)
        if row is not None and row.max() >= threshold:
            found.append(PseudoLabel(replace(clip, label=int(row.argmax())), min(1.0, float(row.max()))))
    return found
