"""FineGym's decision trees: the yes/no decisions that lead to each element, and how elements differ in them.

Source: FineGym (CVPR'20), section 3.2, and its released `finegym_glabel_to_Qtree.json`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.io.text import JsonObject, place_of

TREE_FILES = ("glabel_to_Qtree.json", "finegym_glabel_to_Qtree.json")
NEAR = 6
"""Most decisions that only one of two elements one decision apart is asked: what a decision opens up on either side
(after "integer twist?" come "2 twists?" here and "1.5 twists?" there); more than that is another kind of move."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One yes/no decision of an element's decision tree."""

    question: str
    value: bool


@dataclass(frozen=True, slots=True)
class DecisionTree:
    """One record of the file: the way down to an element, root first, and its number in FIG's code of points."""

    glabel: int
    decisions: tuple[Attribute, ...]
    code: str


def read_decision_trees(path: Path) -> dict[int, DecisionTree]:
    """Read the decisions that lead to each global label.

    Raises:
        GymQAError: the file is missing or no such file, or an entry (named as file:line) lacks `questions`, `BTcode`
            or `code`, `BTcode` is not one 0 or 1 a question, or its label is no number or stands there twice.
    """
    entries = read_json(path, JsonObject)
    if not isinstance(entries, JsonObject):
        raise GymQAError(f"{path} is no decision-tree file: an object of global labels is expected")
    trees: dict[int, DecisionTree] = {}
    for label, entry in entries.items():
        try:
            tree = _read_tree(label, entry)
            if label in entries.twice or tree.glabel in trees:
                raise ValueError("it stands there a second time")
        except (KeyError, TypeError, ValueError) as error:
            place = place_of(path, label, again=label in entries.twice)
            raise GymQAError(
                f"{place}: the decision tree of label {label!r} is wrong ({error!r}); correct it"
            ) from error
        trees[tree.glabel] = tree
    return trees


def deciding(first: Sequence[Attribute], second: Sequence[Attribute]) -> str | None:
    """The one decision that two elements of a set differ in; None when they differ in several, or are far apart.

    Of the questions asked of both, exactly one has two answers, and at most NEAR are asked of only one of them.
    """
    ours, theirs = ({one.question: one.value for one in decisions} for decisions in (first, second))
    parting = [question for question, value in ours.items() if theirs.get(question, value) != value]
    alone = len(ours.keys() ^ theirs.keys())
    return parting[0] if len(parting) == 1 and alone <= NEAR else None


def _read_tree(label: str, entry: Any) -> DecisionTree:
    questions, code = entry["questions"], entry["BTcode"]
    if not re.fullmatch(r"\d{1,9}", label, re.ASCII):
        raise ValueError("a label is a whole number")
    if len(questions) != len(code) or set(code) - {"0", "1"}:
        raise ValueError(f"{len(questions)} questions, BTcode {code!r}")
    if not isinstance(questions, list) or not all(isinstance(text, str) and text.strip() for text in questions):
        raise ValueError("questions are a list of texts")
    decisions = (Attribute(" ".join(text.split()), bit == "1") for text, bit in zip(questions, code, strict=True))
    return DecisionTree(int(label), tuple(decisions), str(entry["code"]))
