"""Training clips of tuning: labelled clips, and pseudo-labelled clips weighted by the recognizer's confidence."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from encoders.features.extract import view_key
from encoders.tuning.config import QuestionMix
from encoders.tuning.question_data import QuestionData
from encoders.video.base import Features
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.io.console import console
from gymqa.io.files import write_text
from gymqa.runtime.seeding import hash_key

LEFT_OUT = "left_out.txt"  # list of clips without features, in a run's folder


@dataclass(frozen=True, slots=True)
class PseudoLabel:
    """A clip with a recognizer's predicted label, and its loss weight, in [0, 1]."""

    clip: Clip
    weight: float


@dataclass(frozen=True)
class TuningMaterial:
    """Training clips with their features and elements.

    Attributes:
        features: tokens of the clips and their views.
        labelled: labelled clips.
        taxonomy: their elements, for distractors and names.
        pseudo: pseudo-labelled clips.
        missing: (clip id, reason) of clips without features.
    """

    features: Features
    labelled: tuple[Clip, ...]
    taxonomy: Taxonomy
    pseudo: tuple[PseudoLabel, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """A hash of the clips, their labels and weights."""
        pseudo = (f"{one.clip.id} {one.clip.label} {one.weight:.6f}" for one in self.pseudo)
        return hash_key(*(f"{clip.id} {clip.label}" for clip in self.labelled), *pseudo).hex()

    def with_features(self, views: int) -> "TuningMaterial":
        """The material with only those clips that have features of all `views`; the others are `missing`."""

        def available(clip: Clip) -> bool:
            return all(view_key(clip.id, view) in self.features for view in range(views))

        clips = [*self.labelled, *(one.clip for one in self.pseudo)]
        absent = tuple((clip.id, self._reason(clip)) for clip in clips if not available(clip))
        return replace(
            self,
            labelled=tuple(clip for clip in self.labelled if available(clip)),
            pseudo=tuple(one for one in self.pseudo if available(one.clip)),
            missing=absent,
        )

    def _reason(self, clip: Clip) -> str:
        return self.features.failures.get(clip.id, "its features, or those of a view, are not in the store")

    def questions(self, mix: QuestionMix, views: int, blind: bool, seed: int) -> QuestionData:
        """The generator of training samples.

        Raises:
            GymQAError: no labelled clip is left, or one has no label.
        """
        weights = {one.clip.id: one.weight for one in self.pseudo}
        if not self.labelled:
            return QuestionData([], self.taxonomy, mix, views, blind, seed)  # raises
        clips = [*self.labelled, *(one.clip for one in self.pseudo)]
        return QuestionData(clips, self.taxonomy, mix, views, blind, seed, weights)

    def report_missing(self, folder: Path) -> None:
        """Write the list of clips without features to the run's folder, and print their number."""
        if not self.missing:
            (folder / LEFT_OUT).unlink(missing_ok=True)
            return
        write_text(folder / LEFT_OUT, "".join(f"{clip}\t{why}\n" for clip, why in self.missing))
        total = len(self.labelled) + len(self.pseudo) + len(self.missing)
        console.print(
            f"{len(self.missing)} of {total} clips lack features of some view; tuning goes on without them "
            f"(listed in {folder / LEFT_OUT})",
            highlight=False,
        )


def read_probabilities(path: Path, n_classes: int) -> dict[str, NDArray[np.float64]]:
    """Probabilities [C] by clip id, from a file of `gymqa predict`; clips without any are left out, labels ignored.

    Raises:
        GymQAError: the file is missing, or a line is invalid or has another number of classes.
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
    """Pseudo-labels of the unlabelled clips with confidence of at least `threshold`, in the list's order.

    A label that an unlabelled clip carries is ignored; a clip that is also labelled is left out. Probabilities of other
    clips (as of val) are not used.

    Args:
        probabilities: [C] by clip id.
        unlabelled: clips to learn from without their label.
        labelled: labelled clips.
        threshold: lowest confidence, in [0, 1].

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
