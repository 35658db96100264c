"""What general models are asked, to the character: the question, its lettered choices, and how to answer."""

from gymqa.questions.schema import Question, format_question

INSTRUCTION = "\nAnswer with the letter of the right choice only."  # as `gymqa export lmms-eval` writes it
SHOWN = 80  # characters of a reply that an error quotes


def lettered(question: Question) -> str:
    """The question with its choices and the instruction."""
    return format_question(question) + INSTRUCTION


def no_choice(reply: str) -> str:
    """The reason why a reply is no answer."""
    short = " ".join(reply.split())
    return f"no choice in the reply {short[:SHOWN]!r}{'…' if len(short) > SHOWN else ''}"
