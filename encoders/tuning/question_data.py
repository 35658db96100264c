"""Training samples of tuning, re-sampled every epoch: question kind, distractors, prompt template, view."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from encoders.features.extract import view_key
from encoders.mllm.prompts import VIDEO, Turn, with_video
from encoders.tuning.config import QuestionMix
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import Clip
from gymqa.finegym.taxonomy import Element, Taxonomy
from gymqa.questions.distractors import build_questions
from gymqa.questions.schema import LETTERS, QUESTION_TEXT, Question, format_question


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation about one clip; with `caption` the clip's name after the video alone.

    `key` is the view's key in the feature store; `weight` multiplies the sample's loss.
    """

    clip_id: str
    key: str
    turn: Turn
    weight: float = 1.0
    caption: bool = False


class QuestionData:
    """Samples about clips: `epoch(n)` and `captions(n)` are functions of n and the seed alone.

    Args:
        clips: labelled and pseudo-labelled clips.
        mix: relative frequencies of the kinds of samples.
        views: views of each clip in the feature store.
        blind: no `<video>` in the prompts.
        weights: loss weights of pseudo-labelled clips, by clip id; others have weight 1.

    Raises:
        GymQAError: no clips, or an unlabelled one.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        taxonomy: Taxonomy,
        mix: QuestionMix,
        views: int,
        blind: bool,
        seed: int,
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if not clips:
            raise GymQAError("there are no labelled clips to draw questions from; check the split and the features")
        unlabelled = next((clip.id for clip in clips if clip.label is None), None)
        if unlabelled is not None:
            raise GymQAError(f"clip {unlabelled} is unlabelled; tune on the labelled clips only")
        self._clips, self._taxonomy, self._mix = list(clips), taxonomy, mix
        self._views, self._blind, self._seed = views, blind, seed
        self._weights = dict(weights or {})
        self._paraphrases = [template for template in mix.wordings if template != QUESTION_TEXT]

    def __len__(self) -> int:
        return len(self._clips)

    def epoch(self, number: int) -> list[Sample]:
        """One question per clip, in random order."""
        rng = random.Random(f"{self._seed}-{number}")
        weights = {name: weight for name, weight in self._mix.benchmarks.items() if weight > 0}
        questions = {benchmark: self._questions(benchmark, rng.getrandbits(48)) for benchmark in weights}
        samples = [self._sample(clip, questions, list(weights.values()), rng) for clip in self._clips]
        rng.shuffle(samples)
        return samples

    def captions(self, number: int) -> list[Sample]:
        """One caption per clip, in random order: the video, and its element's name."""
        rng = random.Random(f"{self._seed}-captions-{number}")
        samples = [self._made(clip, VIDEO, self._element(clip).display_name, rng, True) for clip in self._clips]
        rng.shuffle(samples)
        return samples

    def _element(self, clip: Clip) -> Element:
        return self._taxonomy.elements[clip.label or 0]

    def _questions(self, benchmark: str, seed: int) -> dict[str, Question]:
        built = build_questions(self._clips, self._taxonomy, benchmark, seed)
        return {question.clip_id: question for question in built}

    def _sample(
        self, clip: Clip, questions: dict[str, dict[str, Question]], weights: list[float], rng: random.Random
    ) -> Sample:
        mix = self._mix
        element = self._element(clip)
        kind = rng.choices(("letters", "names", "attributes"), (mix.letters, mix.names, mix.attributes))[0]
        benchmarks = zip(questions.values(), weights, strict=True)
        available = [(by_clip[clip.id], weight) for by_clip, weight in benchmarks if clip.id in by_clip]
        if kind == "letters" and available:
            drawn = rng.choices([one for one, _ in available], [weight for _, weight in available])[0]
            text, answer = format_question(replace(drawn, text=self._template(rng))), LETTERS[drawn.answer]
        elif kind == "attributes" and element.attributes:
            text, answer = _attribute_question(element, rng)
        else:
            text, answer = self._template(rng), element.display_name
        return self._made(clip, text if self._blind else with_video(text), answer, rng)

    def _template(self, rng: random.Random) -> str:
        """The benchmarks' own prompt, or a paraphrase."""
        if not self._paraphrases or rng.random() < self._mix.own_wording:
            return QUESTION_TEXT
        return rng.choice(self._paraphrases)

    def _made(self, clip: Clip, user: str, answer: str, rng: random.Random, caption: bool = False) -> Sample:
        key = view_key(clip.id, rng.randrange(self._views))
        return Sample(clip.id, key, Turn(user, answer), self._weights.get(clip.id, 1.0), caption)


def _attribute_question(element: Element, rng: random.Random) -> tuple[str, str]:
    """A yes/no question of the element's decision tree, balanced where it has both answers."""
    value = rng.random() < 0.5
    asked = [attribute for attribute in element.attributes if attribute.value is value] or element.attributes
    attribute = rng.choice(asked)
    return attribute.question, "Yes" if attribute.value else "No"
