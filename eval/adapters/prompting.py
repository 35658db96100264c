"""What general models are asked, to the character: the question, its lettered choices, and how to answer."""

import hashlib
from dataclasses import replace

from eval.adapters.clip_frames import ClipFrames
from gymqa.questions.schema import Answer, Detail, Question, format_question

INSTRUCTION = "\nAnswer with the letter of the right choice only."  # as `gymqa export lmms-eval` writes it
SHOWN = 80  # characters of a reply that an error quotes


def lettered(question: Question) -> str:
    """The question with its choices and the instruction."""
    return format_question(question) + INSTRUCTION


def no_choice(reply: str) -> str:
    """The reason why a reply is no answer."""
    short = " ".join(reply.split())
    return f"no choice in the reply {short[:SHOWN]!r}{'…' if len(short) > SHOWN else ''}"


def detailed(
    answer: Answer, question: Question, prompt: str, frames: ClipFrames | None, reply: str = "", revision: str = ""
) -> Answer:
    """The answer with how it came about: the prompt's hash, the frames shown, the reply it was read from, by whom."""
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    if frames is None:
        return replace(answer, detail=Detail(digest, (), revision, reply))
    other, indices = frames.shown(question.clip_id)
    return replace(answer, detail=Detail(digest, indices, revision, reply, other))
