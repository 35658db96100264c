"""The text of a prompt, rebuilt from a result and its question, and shown only where the answer's hash proves it."""

import hashlib
from collections.abc import Iterator

from eval.adapters.prompting import INSTRUCTION
from eval.run.results import Result
from gymqa.questions.schema import Detail, Question, format_question

TEXT, CHOICES = "\x00", "\x01"
"""Placeholders of a template: the question's text, and the same with its lettered choices."""


def template_of(result: Result, question: Question, detail: Detail) -> str | None:
    """The template of an answer's prompt, with `TEXT` or `CHOICES` in the place of the question.

    Returns:
        None where no prompt was recorded, or none that can be rebuilt has its hash.
    """
    if not detail.prompt_sha256:
        return None
    return next((one for one in _candidates(result) if _hash(filled(one, question)) == detail.prompt_sha256), None)


def filled(template: str, question: Question) -> str:
    """The prompt of a question."""
    return template.replace(CHOICES, format_question(question)).replace(TEXT, question.text)


def _candidates(result: Result) -> Iterator[str]:
    """The result's own template; hf-vlm's, inside its model's chat template; and the bare ones."""
    if result.prompt:
        yield result.prompt
    lettered = CHOICES + INSTRUCTION
    around = result.model.fingerprint.get("prompt")
    if isinstance(around, str):
        sample = "?" + INSTRUCTION  # what hf-vlm's fingerprint asks
        yield around.replace(sample, lettered)
        yield around.replace(sample, TEXT)
    yield from (lettered, CHOICES, TEXT)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
