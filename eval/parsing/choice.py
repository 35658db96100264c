"""Parser from a free-text reply to the chosen option: unanswered rather than guessed.

A reply goes through five steps, each a module:

1. `clean`: Unicode's normal forms, no control tokens, no markup;
2. `thoughts`, `dialogue`: reasoning and further turns are left out;
3. `verdicts`, `structured`: lists of verdicts, JSON, boxes, tags and probabilities become sentences;
4. `ordinals`, `mentions`, `clauses`: options become signs; clauses, without enumerations and quotations;
5. `statements`, `conclusion`: each clause is read, and the last statement that stands is the answer.

docs/scoring.md has a table of examples, which a test runs.
"""

import re
from collections.abc import Sequence

from eval.parsing.clauses import sentences
from eval.parsing.clean import normalize, strip_markup, strip_tokens
from eval.parsing.conclusion import Conclusion
from eval.parsing.dialogue import own_turn
from eval.parsing.mentions import mark, words_of
from eval.parsing.ordinals import letter_ordinals
from eval.parsing.statements import says_blind
from eval.parsing.structured import write_out
from eval.parsing.thoughts import leave_out_thoughts
from eval.parsing.verdicts import write_out_verdicts

VERSION = 3
"""Raised with every change of what a reply is read as."""


def parse_choice(text: str, choices: Sequence[str]) -> int | None:
    """The index of the choice that a reply names; None where it names none, or more than one.

    Linear in the reply's length.

    Args:
        text: the model's reply.
        choices: the question's choices, at most 26, lettered A, B, … in this order.
    """
    spoken = leave_out_thoughts(normalize(text))
    if spoken is None or not choices:
        return None
    reply = strip_tokens(own_turn(spoken))
    exact = [index for index, choice in enumerate(choices) if choice.strip() == spoken.strip() != ""]
    if len(exact) == 1 and not words_of(spoken):
        return exact[0]  # a choice without words, as + or −
    written = write_out(write_out_verdicts(_without_quoted_lines(reply)))
    plain = letter_ordinals(strip_markup(written), len(choices))
    conclusion = Conclusion(blind=says_blind(plain))
    conclusion.follow(sentences(mark(plain, [normalize(choice) for choice in choices])))
    return conclusion.choice(len(choices))


def _without_quoted_lines(reply: str) -> str:
    """Leave out lines quoted with ">", unless all are."""
    lines = reply.split("\n")
    own = [line for line in lines if not re.match(r"\s*>", line)]
    return "\n".join(own if any(line.strip() for line in own) else lines)
