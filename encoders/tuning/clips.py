"""What a language model is tuned on: clips with their features, labelled or pseudo-labelled; who is left out."""

from dataclasses import dataclass, replace
from pathlib import Path

from encoders.features.extract import view_key
from encoders.tuning.config import QuestionMix
from encoders.tuning.pseudo_labels import PseudoLabel
from encoders.tuning.question_data import QuestionData
from encoders.video.base import Features
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.io.console import console
from gymqa.io.files import write_text
from gymqa.runtime.seeding import hash_key

LEFT_OUT = "left_out.txt"  # in a run's folder


@dataclass(frozen=True)
class TuningMaterial:
    """Clips to learn from, their features and elements.

    Attributes:
        features: tokens of the clips and their views.
        labelled: clips whose label is known.
        taxonomy: their elements, for distractors and names.
        pseudo: clips whose label a recognizer guessed.
        missing: why clips were left out, by clip id.
    """

    features: Features
    labelled: tuple[Clip, ...]
    taxonomy: Taxonomy
    pseudo: tuple[PseudoLabel, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        """A hash of the clips, their labels and weights."""
        guessed = (f"{one.clip.id} {one.clip.label} {one.weight:.6f}" for one in self.pseudo)
        return hash_key(*(f"{clip.id} {clip.label}" for clip in self.labelled), *guessed).hex()

    def with_features(self, views: int) -> "TuningMaterial":
        """The clips that all `views` have features of; the others are noted as missing."""

        def there(clip: Clip) -> bool:
            return all(view_key(clip.id, view) in self.features for view in range(views))

        clips = [*self.labelled, *(one.clip for one in self.pseudo)]
        absent = tuple((clip.id, self._reason(clip)) for clip in clips if not there(clip))
        return replace(
            self,
            labelled=tuple(clip for clip in self.labelled if there(clip)),
            pseudo=tuple(one for one in self.pseudo if there(one.clip)),
            missing=absent,
        )

    def _reason(self, clip: Clip) -> str:
        return self.features.failures.get(clip.id, "its features, or those of a view, are not in the store")

    def questions(self, mix: QuestionMix, views: int, blind: bool, seed: int) -> QuestionData:
        """What training samples are drawn from.

        Raises:
            GymQAError: no labelled clip is left, or one has no label.
        """
        weights = {one.clip.id: one.weight for one in self.pseudo}
        if not self.labelled:
            return QuestionData([], self.taxonomy, mix, views, blind, seed)  # which refuses
        clips = [*self.labelled, *(one.clip for one in self.pseudo)]
        return QuestionData(clips, self.taxonomy, mix, views, blind, seed, weights)

    def tell_missing(self, folder: Path) -> None:
        """List the clips that were left out in the run's folder, and say how many they are."""
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
