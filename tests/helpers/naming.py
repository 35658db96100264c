"""What a message must name, whatever its sentence says about it."""

import re


def naming(*tokens: object) -> str:
    """A pattern that finds every token in a text, each as a whole word or value, in any order."""
    return "(?s)" + "".join(rf"(?=.*(?<!\w){re.escape(str(token))}(?!\w))" for token in tokens)


def does_name(text: str, *tokens: object) -> bool:
    """Whether a text names every one of these."""
    return re.search(naming(*tokens), text) is not None
