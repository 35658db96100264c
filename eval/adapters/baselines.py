"""Baselines: random guess, guess by an oracle of event or set, and a language model asked without the video.

The guesses have exact expected scores, no sampling. Gym-QA's random distractors give much away (PAPERS: the apparatus
alone is worth 59.9 %, the set 87.5 %), so every leaderboard shows these rows beside the models.
"""

import hashlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.adapters.registry import is_tuned, load_adapter
from eval.adapters.request import Loaded, Request, control_independent
from eval.stats.bootstrap import FloatArray
from gymqa.errors import GymQAError
from gymqa.finegym.annotations import open_release
from gymqa.finegym.taxonomy import Taxonomy
from gymqa.frames.controls import NO_VIDEO
from gymqa.questions.schema import Answer, Question

CHANCE, ORACLE_EVENT, ORACLE_SET = "chance", "oracle-event", "oracle-set"
REFERENCE_MODELS = (CHANCE, ORACLE_EVENT, ORACLE_SET)


@dataclass(frozen=True, slots=True)
class Guesser:
    """Guesses uniformly among the choices of the right group; `group_of` maps a class label to its group."""

    name: str
    group_of: Callable[[int], Hashable]

    def remaining(self, question: Question) -> tuple[int, ...]:
        """Indices of the choices in the right group; the right choice is always among them.

        Choices that are not elements (Yes, 2 turns) all remain.
        """
        if not question.choice_labels or question.element is None:
            return tuple(range(len(question.choices)))
        group = self.group_of(question.element)
        return tuple(i for i, label in enumerate(question.choice_labels) if self.group_of(label) == group)

    def expected(self, questions: Sequence[Question]) -> FloatArray:
        """Expected score of each question, 1 / (remaining choices); float [n]."""
        return np.array([1 / len(self.remaining(question)) for question in questions], dtype=np.float64)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Draw one of the remaining choices by a hash of the question id, independent of the batch."""
        return [self._guess(question) for question in questions]

    def fingerprint(self) -> Mapping[str, Any]:
        """Return the guesser's name, all that its answers depend on."""
        return {"guesser": self.name}

    def _guess(self, question: Question) -> Answer:
        remaining = self.remaining(question)
        digest = hashlib.blake2b(f"{self.name}/{question.id}".encode(), digest_size=8).digest()
        choice = remaining[int.from_bytes(digest) % len(remaining)]
        probabilities = tuple(1 / len(remaining) if i in remaining else 0.0 for i in range(len(question.choices)))
        return Answer(question.id, choice, probabilities)


def chance() -> Guesser:
    """A guesser among all choices."""
    return Guesser(CHANCE, lambda label: None)


def oracle_event(taxonomy: Taxonomy) -> Guesser:
    """A guesser that knows the apparatus (FineGym's event)."""
    return Guesser(ORACLE_EVENT, lambda label: taxonomy.elements[label].event)


def oracle_set(taxonomy: Taxonomy) -> Guesser:
    """A guesser that knows the set."""
    return Guesser(ORACLE_SET, lambda label: taxonomy.elements[label].set_id)


def load_chance(request: Request) -> Loaded:
    """The adapter `chance`."""
    return control_independent(chance(), CHANCE, request)


def load_blind(request: Request) -> Loaded:
    """The adapter `blind`: a language model, tuned or general, asked without video whatever the control.

    Raises:
        GymQAError: as the adapters gymqa and hf-vlm, whichever the model belongs to.
    """
    loaded = load_adapter("gymqa" if is_tuned(request.model) else "hf-vlm", replace(request, controls=(NO_VIDEO,)))
    return replace(loaded, under=lambda control: loaded.under(NO_VIDEO), n_frames=None)


def load_oracle_event(request: Request) -> Loaded:
    """The adapter `oracle-event`.

    Raises:
        GymQAError: no annotation files, or they are wrong.
    """
    return control_independent(oracle_event(_taxonomy(ORACLE_EVENT, request)), ORACLE_EVENT, request)


def load_oracle_set(request: Request) -> Loaded:
    """The adapter `oracle-set`.

    Raises:
        GymQAError: no annotation files, or they are wrong.
    """
    return control_independent(oracle_set(_taxonomy(ORACLE_SET, request)), ORACLE_SET, request)


def _taxonomy(adapter: str, request: Request) -> Taxonomy:
    """The taxonomy of an oracle's annotation files."""
    if request.options.finegym is None:
        raise GymQAError(
            f"the adapter {adapter} needs FineGym's annotation files; give their folder by --options.finegym"
        )
    return open_release(request.options.finegym, request.options.setting).taxonomy
