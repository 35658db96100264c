"""Parse turns, saltos, direction and body shape from an element's name and decisions.

Each function returns None if the name is ambiguous: "split leap with 1.5 turn or more", "johnson with additional
0.5 turn" and a jump with a twist before a salto with another have no single number of turns.
"""

import re

from gymqa.finegym.taxonomy import Element

DIRECTIONS = ("forward", "backward", "sideward")
FLIGHTS = ("from high bar to low bar", "from low bar to high bar")
SHAPES = ("tucked", "piked", "stretched", "straddled")

_BRACKETED = re.compile(r"\([^()]*\)")
_NUMBER = re.compile(r"(?<![\d.])(\d{1,2}(?:\.\d{1,2})?) (?:turn|twist)s?\b")
_ROTATION = re.compile(r"\b(?:turn|twist|arabian|tsukahara|hop)", re.IGNORECASE)
_DOUBT = re.compile(r"\b(?:or more|additional|minimum|either|johnson|\d or \d)", re.IGNORECASE)
_SHAPE = re.compile(r"\b(tucked|piked?|stretched|straddled?)\b", re.IGNORECASE)
_SALTO = re.compile(r"\b(?:(double|triple) )?salto\b", re.IGNORECASE)
_STEMS = {"tucked": "tucked", "pike": "piked", "piked": "piked", "stretched": "stretched", "straddle": "straddled"}


def turns(element: Element) -> float | None:
    """Number of turns or twists about the long axis (on vault, of the salto); 0 only if the decisions exclude any."""
    name = main_part(element)
    numbers = _NUMBER.findall(name)
    if _DOUBT.search(name) or any(_ROTATION.search(part) for part in _bracketed(element)):
        return None
    if len(numbers) == 1:
        return float(numbers[0])
    return 0.0 if not numbers and not _ROTATION.search(name) and _decided_against_turns(element) else None


def saltos(element: Element) -> int | None:
    """Number of saltos in the air, on vault those after the table."""
    found = _SALTO.findall(main_part(element))
    return {"": 1, "double": 2, "triple": 3}[found[0].lower()] if len(found) == 1 else None


def direction(element: Element) -> str | None:
    """One of DIRECTIONS (on vault, of the salto), or one of FLIGHTS between the bars."""
    name = main_part(element).lower()
    found = {word for word in DIRECTIONS if re.search(rf"(?<!leg )\b{word}\b", name)}
    found |= {phrase for phrase in FLIGHTS if phrase in name}
    return found.pop() if len(found) == 1 else None


def body_shape(element: Element) -> str | None:
    """One of SHAPES (on vault, of the salto)."""
    found = {_STEMS.get(word.lower(), word.lower()) for word in _SHAPE.findall(main_part(element))}
    return found.pop() if len(found) == 1 else None


def main_part(element: Element) -> str:
    """The name without its bracketed parts; on vault its last part, after the table."""
    name = _BRACKETED.sub(" ", element.name)
    return name.rsplit(",", 1)[-1] if element.event == "VT" else name


def _bracketed(element: Element) -> list[str]:
    return [] if element.event == "VT" else _BRACKETED.findall(element.name)


def _decided_against_turns(element: Element) -> bool:
    """Whether the tree asks about turns and every such question is answered by none; facing direction is no turn."""
    questions = [one for one in element.attributes if re.search(r"\b(?:turn|twist)\b", one.question, re.IGNORECASE)]
    questions = [one for one in questions if not one.question.lower().startswith("facing")]
    if element.event == "VT":
        questions = [one for one in questions if one.question.lower().startswith("salto with")]
    return bool(questions) and all(one.value == ("without" in one.question.lower()) for one in questions)
