"""Probes of contamination: questions whose text is changed, asked as controls beside those that change the frames.

none-of-these: "None of these" stands in the place of the right choice, and is right. A model that has learned which
choices are right, or takes the nearest, falls. letters-alone: only the letters of the choices are shown, without
question and choices. What is right above chance then comes from the order of the answers or a habit.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gymqa.errors import GymQAError
from gymqa.questions.schema import LETTERS, Question

NONE_OF_THESE, LETTERS_ALONE = "none-of-these", "letters-alone"
_NONE = ("None of these", "None of the other choices", "No other choice is right")


def probed(name: str, questions: Sequence[Question]) -> list[Question]:
    """The questions as a probe asks them; ids, clips and the index of the right choice stay.

    Args:
        name: one of PROBES.
        questions: in any form, also rotated or binary.

    Raises:
        GymQAError: a question is answered by Yes or No, which the probes cannot replace.
    """
    for question in questions:
        if question.kind == "decision":
            raise GymQAError(
                f"question {question.id} is answered by Yes or No, which {name} cannot replace; leave it out"
            )
    return list(map(PROBES[name], questions))


def _none_of_these(question: Question) -> Question:
    taken = {choice.casefold() for choice in question.choices}
    none = next(one for one in _NONE if one.casefold() not in taken)
    choices = list(question.choices)
    choices[question.answer] = none
    return replace(question, choices=tuple(choices))


def _letters_alone(question: Question) -> Question:
    return replace(question, text="", choices=tuple(LETTERS[: len(question.choices)]))


PROBES: dict[str, Callable[[Question], Question]] = {NONE_OF_THESE: _none_of_these, LETTERS_ALONE: _letters_alone}
