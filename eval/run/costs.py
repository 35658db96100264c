"""What a run's answers cost, counted from the answers themselves: once each, whichever process or start paid."""

from collections.abc import Iterable, Sequence

from eval.run.protocol import AnswerModel, Metered
from eval.run.results import Cost
from gymqa.questions.schema import Prediction


def cost_of(model: AnswerModel, predictions: Sequence[Prediction]) -> Cost | None:
    """What these answers cost at the model's prices; None for a model that costs nothing."""
    if not isinstance(model, Metered):
        return None
    counts = [one.detail.tokens for one in predictions if one.detail is not None and one.detail.tokens is not None]
    paid = [one for one in counts if not one.paid_before]
    prompt, completion = sum(one.prompt for one in paid), sum(one.completion for one in paid)
    return Cost(
        replies=len(paid),
        paid_before=len(counts) - len(paid),
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=model.cost(prompt, completion),
    )


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of several runs' costs; without money where one of them has no price."""
    each = list(costs)
    prices = [one.cost for one in each if one.cost is not None]
    return Cost(
        replies=sum(one.replies for one in each),
        paid_before=sum(one.paid_before for one in each),
        prompt_tokens=sum(one.prompt_tokens for one in each),
        completion_tokens=sum(one.completion_tokens for one in each),
        cost=sum(prices) if prices and len(prices) == len(each) else None,
    )


def sentence(cost: Cost) -> str:
    """The line that a command ends with."""
    money = "" if cost.cost is None else f", cost {cost.cost:,.6g}"
    return (
        f"paid in all: replies {cost.replies:,}, prompt tokens {cost.prompt_tokens:,}, "
        f"completion tokens {cost.completion_tokens:,}{money}; paid before by other runs: replies {cost.paid_before:,}"
    )
