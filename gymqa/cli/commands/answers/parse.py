"""`gymqa parse`: parse a model's free-text reply into the letter of a choice."""

from eval.parsing.choice import parse_choice
from gymqa.errors import GymQAError
from gymqa.questions.schema import LETTERS


def parse(text: str, *, choices: list[str]) -> None:
    """Print the letter of the choice that a reply means, or `unanswered`.

    Args:
        text: the reply.
        choices: the question's choices, two or more texts in the order of their letters.
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise GymQAError(f"{len(choices)} choices make no question; give 2 to {len(LETTERS)}")
    found = parse_choice(text, choices)
    print("unanswered" if found is None else LETTERS[found])


COMMAND = parse
