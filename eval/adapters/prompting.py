"""Prompt of the adapters hf-vlm and openai; a file of its own so that both ask with the very same text."""

from gymqa.questions.schema import Question, format_question

INSTRUCTION = "\nAnswer with the letter of the right choice only."  # as `gymqa export lmms-eval` writes it
SHOWN = 80  # characters of a reply quoted in an error


def lettered(question: Question) -> str:
    """The question with its lettered choices and the instruction."""
    return format_question(question) + INSTRUCTION


def no_choice(reply: str) -> str:
    """The error of an answer whose reply names no choice."""
    short = " ".join(reply.split())
    return f"no choice in the reply {short[:SHOWN]!r}{'…' if len(short) > SHOWN else ''}"
