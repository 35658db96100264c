"""From the log-likelihoods of a question's choices to an answer, on plain numbers.

Two choices that are equally likely (within 1e-6 nats) at the top are a tie, and a tie is unanswered: taking the first
would be a guess that favours the early letters.
"""

import math
from collections.abc import Sequence

from gymqa.errors import GymQAError
from gymqa.questions.schema import Answer

_TIE = 1e-6  # nats; batched float arithmetic differs by less


def require_scoring(adapter: str, scoring: str | None, known: Sequence[str]) -> None:
    """Refuse a way of scoring that an adapter does not have; None, its own, it always has.

    Args:
        adapter: its name.
        scoring: what was asked for.
        known: what it has; nothing where there is only one way.

    Raises:
        GymQAError: it has no such scoring.
    """
    if scoring is not None and scoring not in known:
        mend = f"choose one of {', '.join(known)}" if known else "leave --scoring out"
        raise GymQAError(f"{adapter} has no scoring {scoring!r}; {mend}")


def softmax(log_likelihoods: Sequence[float]) -> tuple[float, ...]:
    """Probabilities of the choices, summing to 1.

    Args:
        log_likelihoods: one a choice, in nats, -inf allowed but not for all.

    Raises:
        ValueError: no choice, a NaN or +inf, or nothing above -inf.
    """
    if not log_likelihoods or any(math.isnan(value) or value == math.inf for value in log_likelihoods):
        raise ValueError("a choice has no finite likelihood")
    top = max(log_likelihoods)
    if top == -math.inf:
        raise ValueError("every choice has likelihood zero")
    weights = [math.exp(value - top) for value in log_likelihoods]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def best_choice(log_likelihoods: Sequence[float]) -> int | None:
    """Index of the most likely choice; None when the best two tie."""
    top = max(log_likelihoods)
    best = [index for index, value in enumerate(log_likelihoods) if value >= top - _TIE]
    return best[0] if len(best) == 1 else None


def answer_from(question_id: str, log_likelihoods: Sequence[float]) -> Answer:
    """The answer that these log-likelihoods give; unanswered, with the reason, when they give none."""
    try:
        probabilities = softmax(log_likelihoods)
    except ValueError as error:
        return Answer(question_id, None, None, str(error))
    choice = best_choice(log_likelihoods)
    return Answer(question_id, choice, probabilities, None if choice is not None else "the best choices tie")
