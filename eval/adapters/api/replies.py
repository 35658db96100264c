"""Chat completions of OpenAI-style endpoints: parsed text, first-token log-probabilities of letters, token counts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eval.adapters.prompting import no_choice
from eval.parsing.choice import parse_choice
from gymqa.questions.schema import LETTERS, Answer, Question

_MOST_TOKENS = 1 << 40


@dataclass(frozen=True, slots=True)
class Reply:
    """One chat completion.

    Attributes:
        text: the message; "" for a refusal.
        first: log-probability in nats of each candidate for the first token, the chosen one included; empty where
            the server gives none, or none but the chosen one's, which says nothing of the other letters.
        chosen: the first token; "" where the server does not report it.
        revision: the model and system that answered, as the server names them.
        cut: the reply was truncated at `max_tokens`.
        prompt_tokens: tokens of the prompt, 0 where the server does not report them.
        completion_tokens: tokens of the reply, likewise.
    """

    text: str
    first: Mapping[str, float]
    chosen: str
    revision: str
    cut: bool
    prompt_tokens: int
    completion_tokens: int


def read_reply(completion: Any) -> Reply:
    """Read a chat completion.

    Raises:
        LookupError, TypeError, ValueError: it is not a chat completion.
    """
    choice = completion["choices"][0]
    content = _text_of(choice["message"].get("content"))
    chosen, first = _first_token(choice.get("logprobs"))
    usage = completion.get("usage")
    return Reply(
        text=content,
        first=first,
        chosen=chosen,
        revision=" ".join(str(completion[name]) for name in ("model", "system_fingerprint") if completion.get(name)),
        cut=choice.get("finish_reason") == "length",
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _text_of(content: Any) -> str:
    """A message's text: a string, or a list of parts of which those of type text count.

    Raises:
        TypeError: it is neither.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TypeError("content")
    parts = [one if isinstance(one, str) else one["text"] for one in content if isinstance(one, str) or _is_text(one)]
    return "".join(parts)


def _is_text(part: Any) -> bool:
    """Whether a part of a message is text of the reply, rather than a thought or a refusal."""
    return isinstance(part, dict) and part.get("type") in ("text", "output_text") and isinstance(part.get("text"), str)


def _count(usage: Any, name: str) -> int:
    """A number of tokens; 0 where the server reports none, or no possible one."""
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and 0 <= count < _MOST_TOKENS else 0


def _first_token(logprobs: Any) -> tuple[str, dict[str, float]]:
    """The first token, and it and its alternatives with their log-probabilities; none where no alternative is given."""
    try:
        tokens = (logprobs or {}).get("content") or []
        if not tokens:
            return "", {}
        listed = [*(tokens[0].get("top_logprobs") or []), tokens[0]]
        first = {str(one["token"]): float(one["logprob"]) for one in listed}
        return str(tokens[0]["token"]), first if len(first) > 1 else {}
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):  # the text alone decides
        return "", {}


def letter_logprobs(reply: Reply, n: int) -> tuple[float, ...] | None:
    """Log-probabilities of the first `n` letters as the first token, with or without a space before it.

    None where the reply does not begin with such a letter, or no alternative to it is known; -inf for a letter that
    is not among the alternatives.
    """
    letters = LETTERS[:n]
    if reply.chosen.strip() not in set(letters) or not reply.first:
        return None
    weights = [0.0] * n
    for token, logprob in reply.first.items():
        index = letters.find(token.strip()) if len(token.strip()) == 1 else -1
        if index >= 0 and logprob <= 0:
            weights[index] += math.exp(logprob)
    return tuple(math.log(weight) if weight > 0 else -math.inf for weight in weights)


def answer_of(question: Question, reply: Reply) -> Answer:
    """The answer parsed from a reply, with probabilities where its first token is the letter of the choice.

    Only the text decides: the letter that begins "A salto …" is no answer, however probable.
    """
    choice = parse_choice(reply.text, question.choices)
    if choice is None:
        cut = "; the reply was cut at max_tokens" if reply.cut else ""
        return Answer(question.id, None, None, no_choice(reply.text) + cut)
    logprobs = letter_logprobs(reply, len(question.choices))
    if logprobs is None or reply.chosen.strip() != LETTERS[choice]:
        return Answer(question.id, choice)
    weights = [math.exp(value) for value in logprobs]
    total = math.fsum(weights)
    probabilities = tuple(weight / total for weight in weights) if total > 0 else None
    return Answer(question.id, choice, probabilities)
