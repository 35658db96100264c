"""Corpus of pre-training conversations about moves: multiple choice, open, yes/no, and description."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from encoders.mllm.prompts import with_video
from encoders.tiny_vicuna_pretraining.descriptions import PHRASES, QUESTIONS, describe, yes_no_question
from encoders.tiny_vicuna_pretraining.grammar import Move

QUESTION_TEMPLATES = (
    "What gymnastics move is this athlete performing?",
    "What gymnastics move is this athlete performing?",
    "Which move is shown?",
    "Name the gymnastics move.",
)
LETTERS = "ABCD"
TIERS = ("random", "event", "set", "near")


@dataclass(frozen=True, slots=True)
class Conversation:
    """One sample: `seen` takes the place of the video; `question` and `answer` are the turn about it.

    `right` is the index of the right choice, None for kinds without choices. `other` describes a distractor move: it
    is blended into a soft `seen` (see `batches.py`).
    """

    kind: str
    seen: str
    other: str
    question: str
    answer: str
    n_choices: int = 0
    right: int | None = None

    def user(self) -> str:
        """The user's message with the description in place of the video."""
        return with_video(self.question).replace("<video>", self.seen)


def make_conversation(moves: Sequence[Move], rng: random.Random, n_choices: int, plainness: float) -> Conversation:
    """Sample a conversation about a random move of `moves`; two in three are multiple choice."""
    move = rng.choice(moves)
    draw = rng.random()
    if draw < 0.52:
        return multiple_choice(move, moves, rng, n_choices, rng.choice(TIERS), plainness)
    other = describe(_distractors(move, moves, rng, 1, "set")[0], rng, plainness)
    seen = _seen(move, rng, plainness)
    if draw < 0.64:
        return _fact_choice(move, seen, other, rng, n_choices)
    if draw < 0.84:
        name = move.display_name if rng.random() < 0.2 else move.name
        return Conversation("open", seen, other, rng.choice(QUESTION_TEMPLATES), name)
    if draw < 0.96:
        question, holds = yes_no_question(move, rng)
        return Conversation("yes-no", seen, other, question, "Yes" if holds else "No")
    return Conversation("describe", seen, other, "Describe the move.", describe(move, rng, plainness))


def multiple_choice(
    move: Move, moves: Sequence[Move], rng: random.Random, n_choices: int, tier: str, plainness: float
) -> Conversation:
    """A question with `n_choices` lettered names; distractors share the tier (random, event, set, near) with `move`.

    A tier without enough moves falls back to the next wider one.
    """
    others = _distractors(move, moves, rng, n_choices - 1, tier)
    choices = [move, *others]
    rng.shuffle(choices)
    prefixed = rng.random() < 0.15 or len({choice.name for choice in choices}) < n_choices
    names = [choice.display_name if prefixed else choice.name for choice in choices]
    right = choices.index(move)
    lettered = " ".join(f"{letter}.{name}" for letter, name in zip(LETTERS, names, strict=False))
    by_name = rng.random() < 0.12  # the name as answer, for scoring choices by their texts
    return Conversation(
        "choice-text" if by_name else "choice",
        _seen(move, rng, plainness),
        describe(rng.choice(others), rng, plainness),
        f"{rng.choice(QUESTION_TEMPLATES)} {lettered}",
        names[right] if by_name else LETTERS[right],
        n_choices,
        right,
    )


def _fact_choice(move: Move, seen: str, other: str, rng: random.Random, n_choices: int) -> Conversation:
    """A multiple-choice question about one fact ("What is the direction?"), the simplest matching task."""
    attribute, value = rng.choice([fact for fact in move.facts if fact[0] in QUESTIONS])
    wrong = [candidate for candidate in PHRASES[attribute] if candidate != value]
    values = [value, *rng.sample(wrong, min(n_choices - 1, len(wrong)))]
    rng.shuffle(values)
    right = values.index(value)
    lettered = " ".join(f"{letter}.{PHRASES[attribute][one][0]}" for letter, one in zip(LETTERS, values, strict=False))
    question = f"What is the {attribute}? {lettered}"
    return Conversation("fact-choice", seen, other, question, LETTERS[right], len(values), right)


def _seen(move: Move, rng: random.Random, plainness: float) -> str:
    return move.display_name if rng.random() < 0.15 + 0.5 * plainness**2 else describe(move, rng, plainness)


def _distractors(move: Move, moves: Sequence[Move], rng: random.Random, n: int, tier: str) -> list[Move]:
    by_tier = _index(tuple(moves))
    for wider in TIERS[TIERS.index(tier) :: -1]:
        pool = [other for other in by_tier[_key(move, wider)] if other is not move]
        if wider == "near":
            pool = [other for other in pool if _differences(move, other) == 1]
        if len(pool) >= n:
            return rng.sample(pool, n)
    raise ValueError(f"{len(moves)} moves are too few for {n} distractors")


def _key(move: Move, tier: str) -> tuple[str, ...]:
    return {"random": (), "event": (move.event,)}.get(tier, (move.event, move.family))


def _differences(one: Move, other: Move) -> int:
    return len(set(one.facts) ^ set(other.facts)) // 2 + (len(one.facts) != len(other.facts))


@cache
def _index(moves: tuple[Move, ...]) -> dict[tuple[str, ...], list[Move]]:
    index: dict[tuple[str, ...], list[Move]] = defaultdict(list)
    for move in moves:
        for key in {_key(move, tier) for tier in TIERS}:
            index[key].append(move)
    return index
