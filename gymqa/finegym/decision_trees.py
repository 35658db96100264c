"""FineGym's decision trees: read each element's yes/no decisions, find the single decision two elements differ in.

Source: FineGym (CVPR'20), section 3.2, and its released `finegym_glabel_to_Qtree.json`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymqa.errors import GymQAError
from gymqa.io.files import read_json
from gymqa.io.text import JsonObject, location_of

TREE_FILES = ("glabel_to_Qtree.json", "finegym_glabel_to_Qtree.json")
NEAR = 6
"""Two elements count as one decision apart only if at most NEAR questions are asked of just one of them. A decision
opens different follow-up questions on its two sides ("2 twists?" or "1.5 twists?" after "integer twist?"); more
differences mean another type of element."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One yes/no decision of an element's decision tree: a question and its answer."""

    question: str
    value: bool


@dataclass(frozen=True, slots=True)
class DecisionTree:
    """One record of the file: the decisions from the root to an element, and its number in FIG's Code of Points."""

    glabel: int
    decisions: tuple[Attribute, ...]
    code: str


def read_decision_trees(path: Path) -> dict[int, DecisionTree]:
    """Read the decisions that lead to each global label.

    Raises:
        GymQAError: the file is missing or of another format, or an entry (named as file:line) lacks `questions`,
            `BTcode` or `code`, has a `BTcode` without one bit per question, or has an invalid or repeated label.
    """
    entries = read_json(path, JsonObject)
    if not isinstance(entries, JsonObject):
        raise GymQAError(f"{path} is not a decision-tree file: a JSON object keyed by global label is expected")
    trees: dict[int, DecisionTree] = {}
    for label, entry in entries.items():
        try:
            tree = _read_tree(label, entry)
            if label in entries.repeated or tree.glabel in trees:
                raise ValueError("the label occurs twice")
        except (KeyError, TypeError, ValueError) as error:
            where = location_of(path, label, again=label in entries.repeated)
            raise GymQAError(
                f"{where}: the decision tree of label {label!r} is wrong ({error!r}); correct it"
            ) from error
        trees[tree.glabel] = tree
    return trees


def differing_decision(first: Sequence[Attribute], second: Sequence[Attribute]) -> str | None:
    """The question of the only decision that two elements of a set differ in; None if they differ in more.

    Exactly one of the questions asked of both has different answers, and at most NEAR are asked of only one of them.
    """
    first_answers, second_answers = ({one.question: one.value for one in decisions} for decisions in (first, second))
    differing = [question for question, value in first_answers.items() if second_answers.get(question, value) != value]
    in_one_only = len(first_answers.keys() ^ second_answers.keys())
    return differing[0] if len(differing) == 1 and in_one_only <= NEAR else None


def _read_tree(label: str, entry: Any) -> DecisionTree:
    questions, code = entry["questions"], entry["BTcode"]
    if not re.fullmatch(r"\d{1,9}", label, re.ASCII):
        raise ValueError("a label is an integer")
    if len(questions) != len(code) or set(code) - {"0", "1"}:
        raise ValueError(f"{len(questions)} questions, BTcode {code!r}")
    if not isinstance(questions, list) or not all(isinstance(text, str) and text.strip() for text in questions):
        raise ValueError("questions are a list of strings")
    decisions = (Attribute(" ".join(text.split()), bit == "1") for text, bit in zip(questions, code, strict=True))
    return DecisionTree(int(label), tuple(decisions), str(entry["code"]))
