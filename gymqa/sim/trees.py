"""Decision trees of GymSim's elements in FineGym's form: the yes/no questions of each set, and each element's answers.

A set has an ordered list of yes/no questions. A question is asked if the answers before it do not decide it ("2 or
more?" only after "with twist?" was answered by yes), and if the set's elements differ in it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from gymqa.errors import GymQAError
from gymqa.sim.elements import Shape, SimElement

Fact = Callable[[SimElement], bool]


def _always(_: SimElement) -> bool:
    return True


class Question(NamedTuple):
    """A decision: its text, when the answer is yes, and of which elements it is asked, given the answers before it."""

    text: str
    holds: Fact
    when: Fact = _always


def _shapes(questions: dict[Shape, str], among: Fact = _always) -> tuple[Question, ...]:
    """One question per shape, asked if no earlier shape was answered by yes."""
    shapes = list(questions)
    return tuple(_shape(text, shape, shapes[:index], among) for index, (shape, text) in enumerate(questions.items()))


def _shape(text: str, shape: Shape, before: list[Shape], among: Fact) -> Question:
    return Question(text, lambda e: e.shape == shape, lambda e: among(e) and e.shape not in before)


def _turns(what: str) -> tuple[Question, ...]:
    """FineGym's questions that determine the number of turns or twists."""
    integer = "an integer number (facing the same direction before and after)"
    return (
        Question(f"{what}?", lambda e: e.turns > 0),
        Question(f"{what}, {integer}?", lambda e: e.turns % 1 == 0, lambda e: e.turns > 0),
        Question(f"{what}, 1 or more?", lambda e: e.turns >= 1, lambda e: e.turns % 1 > 0),
        Question(f"{what}, 2 or more?", lambda e: e.turns >= 2, lambda e: e.turns >= 1),
        Question(f"{what}, 3 or more?", lambda e: e.turns >= 3, lambda e: e.turns >= 2),
    )


_ROUND_OFF = Question("round-off onto the springboard?", lambda e: e.entry.startswith("round-off"))
_HALF_TURN_ON = Question(
    "facing the coming direction when handstand on vault (0.5 turn in first flight phase)?",
    lambda e: e.entry in ("tsukahara", "round-off, half turn"),
)
_TWO_LEGS = Question("take off with two legs?", lambda e: e.shape not in ("switch", "leap"))
_SWITCH = Question("switch leap (legs change in the air)?", lambda e: e.shape == "switch", lambda e: e.direction > 0)
_BACKWARD = Question("take-off backward?", lambda e: e.direction < 0)
_DOUBLE = Question("double salto?", lambda e: e.saltos == 2)
_STEP_OUT = Question(
    "feet land successively (step-out)?", lambda e: e.step_out, lambda e: e.shape not in ("split", "cartwheel")
)
_JUMPS: dict[Shape, str] = {
    "split": "legs in cross split?",
    "straddle": "legs straddled?",
    "wolf": "knees together, one leg straight (wolf)?",
}
_SALTOS: dict[Shape, str] = {
    "split": "legs split in the air (walkover)?",
    "cartwheel": "sideways, legs straddled (cartwheel)?",
    "stretched": "body keep stretched during salto (stretched salto)?",
    "tucked": "knees and hips are bent (tuck salto)?",
}
_FREE_LEGS: dict[Shape, str] = {
    "tuck stand": "turn in tuck stand on one leg?",
    "upward": "free leg held upward in 180 split position?",
    "at horizontal": "heel of free leg forward at horizontal?",
}
_CIRCLES: dict[Shape, str] = {
    "sole": "toes touch the bar during circle (sole circle)?",
    "stretched": "giant circle?",
    "clear hip": "clear hip circle?",
}
_STRADDLE: dict[Shape, str] = {"straddle": "two legs are spread far apart during flight (straddle)?"}

_LEAPS = (_TWO_LEGS, _SWITCH, *_shapes(_JUMPS, lambda e: e.direction == 0), *_turns("with turn"))
_TURNS = (*_shapes(_FREE_LEGS), *_turns("turn on the leg"))
_GROUND = (_BACKWARD, *_shapes(_SALTOS), _DOUBLE, _STEP_OUT, *_turns("salto with twist"))
_ASKED: dict[int, tuple[Question, ...]] = {
    1: (_ROUND_OFF, _HALF_TURN_ON, *_shapes(_SALTOS), *_turns("salto with turn")),
    21: _LEAPS,
    22: _TURNS,
    24: _GROUND,
    25: _GROUND,
    31: _LEAPS,
    32: _TURNS,
    33: _GROUND,
    34: (
        Question("jump backward?", lambda e: e.direction < 0),
        Question("sideways over straddled legs?", lambda e: e.shape == "cartwheel", lambda e: e.direction > 0),
        Question("feet land successively (step-out)?", lambda e: e.step_out, lambda e: e.direction < 0),
    ),
    35: _GROUND,
    41: (
        *_shapes(_CIRCLES),
        Question("circle backward?", lambda e: e.direction < 0),
        *_turns("with turn to handstand"),
    ),
    42: (
        Question("flight over the bar without salto?", lambda e: e.saltos == 0),
        Question("salto forward?", lambda e: e.direction > 0, lambda e: e.saltos > 0),
        *_shapes(_STRADDLE, lambda e: e.saltos > 0),
        *_turns("with turn before hang"),
    ),
    43: (Question("from high bar to low bar?", lambda e: e.direction < 0),),
    44: (
        Question("swing forward before hands leave the bar?", lambda e: e.direction < 0),
        _DOUBLE,
        *_shapes(_SALTOS),
        *_turns("salto with turn"),
    ),
}


def decisions(element: SimElement, repertoire: Sequence[SimElement]) -> list[tuple[str, bool]]:
    """The questions that lead to `element` among the elements of its set in `repertoire`, with their answers.

    Raises:
        GymQAError: another element of the set has the same answers.
    """
    others = [other for other in repertoire if other.set_id == element.set_id]
    asked = [q for q in _ASKED[element.set_id] if len({q.holds(other) for other in others if q.when(other)}) == 2]
    ways = [[(q.text, q.holds(other)) for q in asked if q.when(other)] for other in others]
    way = ways[others.index(element)]
    if ways.count(way) > 1:
        raise GymQAError(
            f"{element.name!r} has the same decisions as another element of set {element.set_id}; add a question"
        )
    return way
