"""What general models are asked, to the character: the question, its lettered choices, and how to answer."""

import hashlib
from dataclasses import replace

from eval.adapters.clip_frames import ClipFrames
from gymqa.questions import Answer, Detail, Question, format_question

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
    shown = () if frames is None else tuple(int(index) for index in frames.indices([question.clip_id])[0])
    return replace(answer, detail=Detail(hashlib.sha256(prompt.encode()).hexdigest(), shown, revision, reply))
