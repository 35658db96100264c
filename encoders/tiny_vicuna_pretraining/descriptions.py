"""Descriptions of moves without their names: phrases for every fact, in random order; yes/no questions."""

import random
from collections.abc import Sequence

from encoders.tiny_vicuna_pretraining.grammar import Facts, Move

EVENTS = {
    "VT": ("on the vault", "over the vaulting table", "vault"),
    "FX": ("on the floor", "floor exercise", "floor"),
    "BB": ("on the balance beam", "on the beam", "beam"),
    "UB": ("on the uneven bars", "at the bars", "bars"),
}
AMOUNTS: dict[str, tuple[str, ...]] = {
    "0": ("no twist", "without a turn", "never turning"),
    "0.5": ("0.5 turn", "half a twist", "half a turn"),
    "1": ("1 turn", "one full twist", "a full turn"),
    "1.5": ("1.5 turn", "one and a half twists", "one and a half turns"),
    "2": ("2 turn", "two twists", "two full turns"),
    "2.5": ("2.5 turn", "two and a half twists", "two and a half turns"),
    "3": ("3 turn", "three twists", "three full turns"),
    "4": ("4 turn", "four twists", "four full turns"),
}
PHRASES: dict[str, dict[str, tuple[str, ...]]] = {
    "kind": {
        "vault": ("hands push off the table", "a run and a flight"),
        "salto": ("salto", "the body turns over in the air", "a somersault"),
        "leap": ("leap", "legs open in the air", "a jump"),
        "spin": ("spin", "turning on the spot on one foot", "a pivot"),
        "circle": ("circle", "swinging around the bar", "round the bar"),
        "transition": ("flight between the bars", "changing the bar"),
        "release": ("lets go and catches the bar", "a release over the bar"),
    },
    "entry": {
        "round-off": ("round-off entry", "arrives backwards from a cartwheel"),
        "round-off with half turn": ("round-off entry and half a turn before the hands",),
        "round-off with full turn": ("round-off entry and a full turn before the hands",),
        "handspring": ("handspring entry", "arrives facing forward"),
        "tsukahara": ("tsukahara entry", "hands placed sideways in a quarter turn"),
        "gainer": ("gainer", "travels against its own rotation"),
    },
    "direction": {
        "forward": ("forward", "rolls over to the front", "face first"),
        "backward": ("backward", "rolls over to the back", "back first"),
        "sideward": ("sideward", "rolls over to the side"),
    },
    "shape": {
        "tucked": ("tucked", "knees at the chest", "a tight ball"),
        "piked": ("piked", "folded at the hips with straight knees"),
        "stretched": ("stretched", "the body in one line", "hips and knees straight"),
        "stretched-step out": ("stretched-step out", "in one line and the feet land one by one"),
        "straddled": ("straddled", "folded with legs apart"),
    },
    "turn": AMOUNTS,
    "count": {"1": ("single", "once around"), "2": ("double", "twice around")},
    "legs": {
        "split": ("split", "one leg in front and one behind"),
        "switch": ("switch", "the legs change places in the air"),
        "straddle": ("straddle", "both legs lifted wide to the sides"),
        "wolf": ("wolf", "one knee bent and the other leg straight ahead"),
        "tuck": ("tuck", "both knees lifted"),
        "pike": ("pike", "both straight legs lifted together"),
        "straight": ("straight", "legs hanging together"),
        "cat": ("cat", "the knees lifted one by one"),
        "stag": ("stag", "front knee bent and back leg long"),
        "sheep": ("sheep", "feet to the head with an arched back"),
        "ring": ("ring", "back foot near the head"),
        "johnson": ("johnson", "legs change with a quarter turn to the side"),
        "sissone": ("sissone", "legs open on the diagonal"),
        "free leg low": ("free leg low", "the other leg hangs"),
        "crouched": ("crouched", "sitting low on one leg"),
        "leg held up": ("leg held up", "a hand holds the foot beside the head"),
        "heel forward": ("heel forward", "the other leg straight ahead"),
        "leg bent behind": ("leg bent behind", "the other knee bent backward"),
        "giant": ("giant", "a long straight swing"),
        "clear hip": ("clear hip", "the hips close to the bar"),
        "pike sole": ("pike sole", "feet on the bar"),
        "clear pike": ("clear pike", "folded without the feet touching"),
        "stalder": ("stalder", "legs apart outside the hands"),
    },
    "take-off": {"one foot": ("from one foot",), "two feet": ("from two feet",)},
    "finish": {
        "ring": ("to a ring", "back foot ends at the head"),
        "handstand": ("to handstand", "ends upside down on the hands"),
    },
    "start": {"high": ("starts on the high bar", "from the top bar"), "low": ("starts on the low bar", "from below")},
    "end": {"high": ("ends on the high bar", "to the top bar"), "low": ("ends on the low bar", "to the bottom bar")},
}
QUESTIONS: dict[str, str] = {
    "entry": "Is the entry a {}?",
    "direction": "Is the direction {}?",
    "shape": "Is the body {}?",
    "turn": "Are there {} turns?",
    "count": "Are there {} rotations?",
    "legs": "Are the legs {}?",
    "start": "Does it start on the {} bar?",
    "end": "Does it end on the {} bar?",
}


def phrases(attribute: str, value: str) -> Sequence[str]:
    """Phrases for one fact; the first is closest to the name."""
    return PHRASES[attribute][value]


def describe(move: Move, rng: random.Random, plainness: float) -> str:
    """Describe the facts of `move` in random order.

    Args:
        move: the move.
        rng: seeded random generator.
        plainness: probability of the first phrase for each fact; 1 is close to the name.
    """
    parts = [_phrase(EVENTS[move.event], rng, plainness)]
    parts += [_phrase(phrases(attribute, value), rng, plainness) for attribute, value in move.facts]
    rng.shuffle(parts)
    return ", ".join(parts)


def _phrase(options: Sequence[str], rng: random.Random, plainness: float) -> str:
    return options[0] if rng.random() < plainness else rng.choice(options)


def yes_no_question(move: Move, rng: random.Random) -> tuple[str, bool]:
    """A yes/no question about one fact of `move` and its answer; yes and no are equally likely."""
    askable: Facts = tuple(fact for fact in move.facts if fact[0] in QUESTIONS)
    attribute, value = rng.choice(askable)
    if rng.random() < 0.5:
        return QUESTIONS[attribute].format(value), True
    other = rng.choice([candidate for candidate in PHRASES[attribute] if candidate != value])
    return QUESTIONS[attribute].format(other), False
