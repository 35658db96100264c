"""Training samples from labelled clips, drawn anew every epoch: distractors, order, kind of question, and view."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from encoders.config import QuestionMix
from encoders.features import view_key
from encoders.prompts import Turn, with_video
from gymqa.annotations import Clip
from gymqa.errors import GymQAError
from gymqa.question_building import build_questions
from gymqa.questions import LETTERS, QUESTION_TEXT, Question, format_question
from gymqa.taxonomy import Element, Taxonomy


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation about one clip; `key` is the view's key in the feature store."""

    clip_id: str
    key: str
    turn: Turn


class QuestionData:
    """Samples about labelled clips: `epoch(n)` is a function of n and the seed alone.

    Args:
        clips: labelled clips.
        mix: shares of the kinds of samples.
        views: views of each clip in the feature store.
        blind: no `<video>` in the prompts.

    Raises:
        GymQAError: no clips, or an unlabelled one.
    """

    def __init__(
        self, clips: Sequence[Clip], taxonomy: Taxonomy, mix: QuestionMix, views: int, blind: bool, seed: int
    ) -> None:
        if not clips:
            raise GymQAError("there are no labelled clips to draw questions from; check the split and the features")
        unlabelled = next((clip.id for clip in clips if clip.label is None), None)
        if unlabelled is not None:
            raise GymQAError(f"clip {unlabelled} is unlabelled; tune on the labelled clips only")
        self._clips, self._taxonomy, self._mix = list(clips), taxonomy, mix
        self._views, self._blind, self._seed = views, blind, seed

    def __len__(self) -> int:
        return len(self._clips)

    def epoch(self, number: int) -> list[Sample]:
        """One sample a clip, in random order."""
        rng = random.Random(f"{self._seed}-{number}")
        shares = {name: share for name, share in self._mix.benchmarks.items() if share > 0}
        questions = {benchmark: self._questions(benchmark, rng.getrandbits(48)) for benchmark in shares}
        samples = [self._sample(clip, questions, list(shares.values()), rng) for clip in self._clips]
        rng.shuffle(samples)
        return samples

    def _questions(self, benchmark: str, seed: int) -> dict[str, Question]:
        built = build_questions(self._clips, self._taxonomy, benchmark, seed)
        return {question.clip_id: question for question in built}

    def _sample(
        self, clip: Clip, questions: dict[str, dict[str, Question]], shares: list[float], rng: random.Random
    ) -> Sample:
        mix = self._mix
        element = self._taxonomy.elements[clip.label or 0]
        kind = rng.choices(("letters", "names", "attributes"), (mix.letters, mix.names, mix.attributes))[0]
        offers = zip(questions.values(), shares, strict=True)
        available = [(by_clip[clip.id], share) for by_clip, share in offers if clip.id in by_clip]
        if kind == "letters" and available:
            drawn = rng.choices([one for one, _ in available], [share for _, share in available])[0]
            text, answer = format_question(drawn), LETTERS[drawn.answer]
        elif kind == "attributes" and element.attributes:
            text, answer = _attribute_question(element, rng)
        else:
            text, answer = QUESTION_TEXT, element.display_name
        view = rng.randrange(self._views)
        return Sample(clip.id, view_key(clip.id, view), Turn(text if self._blind else with_video(text), answer))


def _attribute_question(element: Element, rng: random.Random) -> tuple[str, str]:
    """A decision of the element's tree; yes and no equally often where it has both."""
    value = rng.random() < 0.5
    asked = [attribute for attribute in element.attributes if attribute.value is value] or element.attributes
    attribute = rng.choice(asked)
    return attribute.question, "Yes" if attribute.value else "No"
