"""Turn the log-likelihoods of a question's choices into an answer with probabilities; ties are unanswered.

If the two most likely choices differ by at most 1e-6 nats, the question is unanswered: taking the first would favour
the early letters.
"""

import math
from collections.abc import Sequence

from gymqa.errors import GymQAError
from gymqa.questions.schema import Answer

_TIE = 1e-6  # nats; batched float arithmetic differs by less


def require_scoring(adapter: str, scoring: str | None, known: Sequence[str]) -> None:
    """Check that an adapter supports a scoring method; None means its default.

    Args:
        adapter: name of the adapter.
        scoring: the requested method.
        known: the methods that it supports; empty if it has only one.

    Raises:
        GymQAError: the adapter does not support the method.
    """
    if scoring is not None and scoring not in known:
        mend = f"choose one of {', '.join(known)}" if known else "leave --scoring out"
        raise GymQAError(f"{adapter} has no scoring {scoring!r}; {mend}")


def softmax(log_likelihoods: Sequence[float]) -> tuple[float, ...]:
    """Probabilities of the choices, summing to 1.

    Args:
        log_likelihoods: one per choice, in nats; -inf is allowed for some choices.

    Raises:
        ValueError: there is no choice, a value is NaN or +inf, or all are -inf.
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
    """Index of the most likely choice; None if the best two tie."""
    top = max(log_likelihoods)
    best = [index for index, value in enumerate(log_likelihoods) if value >= top - _TIE]
    return best[0] if len(best) == 1 else None


def answer_from(question_id: str, log_likelihoods: Sequence[float]) -> Answer:
    """The answer with the highest log-likelihood; unanswered, with the reason, if there is none."""
    try:
        probabilities = softmax(log_likelihoods)
    except ValueError as error:
        return Answer(question_id, None, None, str(error))
    choice = best_choice(log_likelihoods)
    return Answer(question_id, choice, probabilities, None if choice is not None else "the best choices tie")
